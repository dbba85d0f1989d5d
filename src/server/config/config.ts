// The options, read and checked once, frozen. The only reader of process.env.
import { renderHelp, renderMarkdown } from './docs.ts'
import { OPTIONS, type Options } from './options.ts'
import { type Found, type Row, readRows, type Surroundings } from './rows.ts'

export type { Options } from './options.ts'

/** A lost client is noticed after both heartbeat times; longer than this and its presence is a lie. */
const MOST_HEARTBEAT_MS = 120_000

/** What no row can see alone. Not asked when one of its options could not be read. */
const RULES: readonly {
  readonly about: readonly (keyof Options)[]
  /** Set for a refusal of production. */
  readonly productionRule?: string
  refuse(options: Options): string | false
}[] = [
  {
    about: ['jwtSecrets', 'jwtPublicKey', 'jwksUrl'],
    productionRule: 'no way to verify who somebody is',
    refuse: ({ jwtSecrets, jwtPublicKey, jwksUrl }) =>
      jwtSecrets.length === 0 &&
      !jwtPublicKey &&
      !jwksUrl &&
      'JWT_SECRET is not set: production wants JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL, to verify who somebody is',
  },
  {
    about: ['nextAuth', 'jwtSecrets'],
    refuse: ({ nextAuth, jwtSecrets }) =>
      nextAuth &&
      jwtSecrets.length === 0 &&
      'NEXTAUTH is true: its tokens are encrypted with the secret of your app; give that as NEXTAUTH_SECRET',
  },
  {
    about: ['access', 'accessWebhookUrl', 'accessWebhookSecret'],
    refuse: ({ access, accessWebhookUrl, accessWebhookSecret }) =>
      access !== 'webhook' &&
      (accessWebhookUrl || accessWebhookSecret) !== undefined &&
      'ACCESS_WEBHOOK_URL and ACCESS_WEBHOOK_SECRET are asked with ACCESS=webhook only; leave them unset',
  },
  {
    about: ['access', 'accessWebhookUrl', 'accessWebhookSecret'],
    refuse({ access, accessWebhookUrl, accessWebhookSecret }) {
      const missing = [!accessWebhookUrl && 'ACCESS_WEBHOOK_URL', !accessWebhookSecret && 'ACCESS_WEBHOOK_SECRET']
      const names = missing.filter(Boolean).join(' and ')
      return (
        access === 'webhook' &&
        names !== '' &&
        `ACCESS is webhook: your app is asked, so set ${names} as well, where it is asked and what signs the question`
      )
    },
  },
  {
    about: ['communityRedis', 'redisUrl'],
    refuse: ({ communityRedis, redisUrl }) =>
      communityRedis &&
      redisUrl === undefined &&
      'COMMUNITY_REDIS is true: give the Redis that your app publishes on as REDIS_URL, or as UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN',
  },
  {
    about: ['pingIntervalMs', 'pingTimeoutMs'],
    refuse: ({ pingIntervalMs, pingTimeoutMs }) =>
      pingIntervalMs + pingTimeoutMs > MOST_HEARTBEAT_MS &&
      `PING_INTERVAL_MS and PING_TIMEOUT_MS are ${pingIntervalMs + pingTimeoutMs} together: a lost client would stay for so long; give ${MOST_HEARTBEAT_MS} or less`,
  },
  {
    about: ['maxMessageBytes', 'maxOutboundBytes'],
    refuse: ({ maxMessageBytes, maxOutboundBytes }) =>
      maxOutboundBytes < maxMessageBytes &&
      `MAX_OUTBOUND_BYTES is ${maxOutboundBytes}: one message of MAX_MESSAGE_BYTES would cut whoever receives it; give ${maxMessageBytes} or more`,
  },
  {
    about: ['port', 'metricsPort'],
    refuse: ({ port, metricsPort }) =>
      port !== 0 && port === metricsPort && `METRICS_PORT is ${port}: that is PORT already; give another`,
  },
]

/** A refusal to start: every option that will not do, and what would. Holds no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`Convene does not start with these options:\n${problems.map((problem) => `- ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

type Find = (key: string, row: Row<unknown>) => Found | undefined

function read(find: Find, isSet: Surroundings['isSet'], more: readonly string[] = []): Options {
  const { nodeEnv } = OPTIONS
  // Every default waits for the mode. One that cannot be read is most likely production misspelt, and is reported below.
  const told = readRows({ nodeEnv }, (key) => find(key, nodeEnv), { mode: 'development', isSet })
  const mode = told.unread.size > 0 ? 'production' : told.values.nodeEnv
  const { values, problems, unread } = readRows(OPTIONS, find, { mode, isSet })
  const refused = RULES.map(({ about, productionRule, refuse }) => {
    if (about.some((key) => unread.has(key)) || (productionRule && mode !== 'production')) return false
    return refuse(values)
  })
  const all = [...more, ...problems, ...refused.filter((sentence) => sentence !== false)]
  if (all.length > 0) throw new ConfigError(all)
  return values
}

/**
 * The options as the environment has them. Blanks around a value are dropped; empty means unset.
 * @throws ConfigError naming everything that will not do.
 */
export function readOptions(environment: NodeJS.ProcessEnv = process.env): Options {
  const entries = Object.entries(environment).map(([name, value]) => [name, value?.trim() || undefined] as const)
  const set = Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as NodeJS.ProcessEnv
  const find: Find = (_key, { env, aliases = [], compose }) => {
    const name = [env, ...aliases].find((one) => set[one] !== undefined)
    return name === undefined ? compose?.(set) : { name, value: set[name] }
  }
  return read(find, (name) => set[name] !== undefined)
}

/**
 * Options given by a program: the same checks, defaults and refusals. Reads no environment.
 * @example parseOptions({ port: 0, databaseUrl: 'sqlite::memory:' })
 * @throws ConfigError naming everything that will not do.
 */
export function parseOptions(given: Partial<Options>): Options {
  const values = new Map<string, unknown>(Object.entries(given))
  const unknown = [...values.keys()].filter((key) => !Object.hasOwn(OPTIONS, key))
  const find: Find = (key, { env }) => {
    const value = values.get(key)
    return value === undefined || value === '' ? undefined : { name: env, value }
  }
  return read(
    find,
    () => false,
    unknown.map((key) => `${key} is not an option; give some of ${Object.keys(OPTIONS).join(', ')}`),
  )
}

/** The options for `convene serve --help`. */
export function helpText(): string {
  return renderHelp(OPTIONS)
}

/** The text of docs/configuration.md. */
export function configurationMarkdown(): string {
  return renderMarkdown(
    OPTIONS,
    RULES.flatMap(({ productionRule }) => productionRule ?? []),
  )
}
