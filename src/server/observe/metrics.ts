import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What can be counted, one registry a server. Names carry no id of a person or a channel. */
export interface Metrics {
  readonly facts: Counter
  readonly delivered: Counter
  /** Requests refused, by error code. */
  readonly refused: Counter<'code'>
  /** Connections refused, by error code. */
  readonly refusedConnections: Counter<'code'>
  /** Looks at the store for facts that nobody told of, which failed. */
  readonly failedHeadChecks: Counter
  /** Logs that turned out to be other ones than before: restored, wiped. */
  readonly renewedLogs: Counter
  /** What went wrong between the instances, by what it was. */
  readonly clusterFailures: Counter<'kind'>
  /** Messages between the instances, `sent` or `received`. */
  readonly clusterMessages: Counter<'direction'>
  /** What an app said on its own Redis: `kept`, `relayed` or `ignored`. */
  readonly appMessages: Counter<'outcome'>
  /** From a request's arrival to its reply, in seconds. */
  readonly replySeconds: Histogram<'event'>
  /** Reads a value when it is asked for. */
  gauge(name: string, help: string, read: () => number): void
  /** The Prometheus text. */
  text(): Promise<string>
  readonly contentType: string
  stop(): void
}

export function createMetrics(serverId: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ server: serverId })
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    facts: new Counter({ name: 'convene_facts_total', help: 'Facts stored by this instance', registers }),
    delivered: new Counter({ name: 'convene_deliveries_total', help: 'Facts handed to sessions', registers }),
    refused: new Counter({
      name: 'convene_requests_refused_total',
      help: 'Requests refused, by error code',
      labelNames: ['code'],
      registers,
    }),
    refusedConnections: new Counter({
      name: 'convene_connections_refused_total',
      help: 'Connections refused, by error code',
      labelNames: ['code'],
      registers,
    }),
    failedHeadChecks: new Counter({
      name: 'convene_head_checks_failed_total',
      help: 'Comparisons with the store of how far the logs have come, which failed',
      registers,
    }),
    renewedLogs: new Counter({
      name: 'convene_logs_renewed_total',
      help: 'Followed logs that became other ones: restored, or wiped',
      registers,
    }),
    clusterFailures: new Counter({
      name: 'convene_cluster_failures_total',
      help: 'What went wrong between the instances: lost connections, commands refused, messages that were dropped',
      labelNames: ['kind'],
      registers,
    }),
    clusterMessages: new Counter({
      name: 'convene_cluster_messages_total',
      help: 'Messages told to other instances, and of them',
      labelNames: ['direction'],
      registers,
    }),
    appMessages: new Counter({
      name: 'convene_app_messages_total',
      help: 'Messages that the app published on its own Redis: kept as facts, relayed as they are, or ignored',
      labelNames: ['outcome'],
      registers,
    }),
    replySeconds: new Histogram({
      name: 'convene_reply_seconds',
      help: 'From the arrival of a request to its reply',
      labelNames: ['event'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    stop: () => registry.clear(),
  }
}
