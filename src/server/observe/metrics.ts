import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What can be counted, one registry a server. Names carry no id of a person or a channel. */
export interface Metrics {
  readonly facts: Counter
  readonly delivered: Counter
  /** Requests refused, by error code. */
  readonly refused: Counter<'code'>
  /** Connections refused, by error code. */
  readonly refusedConnections: Counter<'code'>
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
