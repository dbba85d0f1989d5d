// The options table: the type, the help and docs/configuration.md are made from it.
import { randomBytes } from 'node:crypto'
import * as kind from './kinds.ts'
import type { Row, Values } from './rows.ts'
import { weaknessOf } from './weak-secret.ts'

/** Lets a row's type follow from its parse and default. */
function option<T>(row: Row<T>): Row<T> {
  return row
}

/** An option that may be left unset. */
function optional<T>(row: Omit<Row<T | undefined>, 'default' | 'shown'>): Row<T | undefined> {
  return { ...row, default: () => undefined, shown: '' }
}

function count(env: string, [least, most]: readonly [number, number], standard: number, meaning: string): Row<number> {
  return { env, parse: kind.wholeNumber(least, most), default: () => standard, shown: String(standard), meaning }
}

const YEAR_OF_DAYS = 366
const MINUTE_MS = 60_000
const MIB = 1_048_576
const GENERATED = ', like the output of: openssl rand -base64 32'

/** The first value that is refused, named by its place: the value itself is secret. */
function weakest(values: readonly string[], weakness: (value: string) => string | undefined): string | undefined {
  for (const [index, value] of values.entries()) {
    const found = weakness(value)
    if (found) return `value ${index + 1} of ${values.length} ${found}${GENERATED}`
  }
  return undefined
}

export const OPTIONS = {
  port: option({
    env: 'PORT',
    aliases: ['WS_PORT'],
    parse: kind.wholeNumber(0, 65_535),
    default: () => 3001,
    shown: '3001',
    meaning: 'The port. 0 takes any free one and prints it.',
  }),
  host: option({
    env: 'HOST',
    parse: kind.host,
    default: ({ mode }) => (mode === 'production' ? '0.0.0.0' : '127.0.0.1'),
    shown: '`0.0.0.0`, in development `127.0.0.1`',
    meaning: 'The address to listen on. `HOSTNAME` is not read: containers set it.',
  }),
  nodeEnv: option({
    env: 'NODE_ENV',
    parse: kind.mode,
    default: () => 'development' as const,
    shown: '`development`',
    meaning: '`production` turns on the refusals of production. Anything else counts as development.',
  }),
  logLevel: option({
    env: 'LOG_LEVEL',
    parse: kind.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: () => 'info' as const,
    shown: '`info`',
    meaning:
      '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`. JSON lines in production, pretty in development.',
  }),
  allowedOrigins: option<readonly string[] | 'localhost'>({
    env: 'ALLOWED_ORIGINS',
    parse: kind.origins,
    default: ({ mode }) => (mode === 'production' ? Object.freeze([]) : 'localhost'),
    shown: 'none, in development any localhost origin',
    meaning: 'Browser origins that may connect: exact, comma-separated, like `https://app.example.com`.',
    production: {
      rule: 'a wildcard origin, or `localhost` for all of them',
      refuse: (origins) =>
        origins === 'localhost' || origins.includes('*')
          ? 'production wants each origin by its name, like https://app.example.com'
          : undefined,
    },
  }),
  trustProxy: count(
    'TRUST_PROXY',
    [0, 16],
    0,
    'How many proxies stand in front of the server, whose `X-Forwarded-For` is believed.',
  ),
  jwtSecrets: option<readonly string[]>({
    env: 'JWT_SECRET',
    aliases: ['NEXTAUTH_SECRET', 'AUTH_SECRET'],
    parse: kind.list(kind.line),
    default: () => Object.freeze([]),
    shown: 'none, in development generated and kept in the data folder',
    meaning: 'The secret shared with whoever signs tokens. Comma-separated for rotation: any of them is accepted.',
    secret: true,
    production: {
      rule: 'a secret of less than 32 bytes, or one out of an example',
      refuse: (secrets) => weakest(secrets, weaknessOf),
    },
  }),
  jwtPublicKey: optional({
    env: 'JWT_PUBLIC_KEY',
    parse: kind.publicKey,
    meaning: "The public key of whoever signs tokens (RS, ES or EdDSA): PEM, or a file's path.",
    // Not a secret, but what is pasted here by mistake may be.
    secret: true,
  }),
  jwksUrl: optional({
    env: 'JWKS_URL',
    parse: kind.httpUrl,
    meaning: 'Where the public keys of Clerk, Auth0 and the like are fetched.',
  }),
  jwtIssuer: optional({ env: 'JWT_ISSUER', parse: kind.line, meaning: 'Checked against `iss` when set.' }),
  jwtAudience: optional({ env: 'JWT_AUDIENCE', parse: kind.line, meaning: 'Checked against `aud` when set.' }),
  nextAuth: option({
    env: 'NEXTAUTH',
    parse: kind.flag,
    default: ({ isSet }) => isSet('NEXTAUTH_SECRET') || isSet('AUTH_SECRET'),
    shown: 'on when `NEXTAUTH_SECRET` or `AUTH_SECRET` is set',
    meaning: 'Accept the encrypted session tokens of NextAuth v4 and Auth.js v5, as token or as cookie.',
  }),
  insecureIdentity: option<boolean | undefined>({
    env: 'INSECURE_IDENTITY',
    parse: kind.flag,
    default: () => undefined,
    shown: '`false`; in development, where nothing is set to verify tokens with, `true`',
    meaning: 'Believe a user id that nobody verified, as clients of the older families on plain WebSocket send it.',
    production: {
      rule: 'an identity that nobody verified',
      refuse: (insecure) => (insecure ? 'production believes verified tokens only; leave it unset' : undefined),
    },
  }),
  apiKeys: option<readonly string[]>({
    env: 'API_KEYS',
    parse: kind.list(kind.line),
    default: () => Object.freeze([]),
    shown: 'none: the service API is closed, in development open to callers on this computer',
    meaning: 'Keys of the service API, comma-separated.',
    secret: true,
    production: {
      rule: 'an API key of less than 24 characters',
      refuse: (keys) =>
        weakest(keys, (key) =>
          key.length < 24 ? `has ${key.length} characters; production wants 24 or more` : undefined,
        ),
    },
  }),
  access: option<'open' | 'claims' | 'members' | 'webhook'>({
    env: 'ACCESS',
    parse: kind.oneOf('open', 'claims', 'members', 'webhook'),
    default: () => 'open',
    shown: 'none, it must be set; in development `open`',
    meaning: 'Who may do what: `open`, `claims`, `members` or `webhook`. See Access.',
    production: {
      rule: 'no choice of an access policy',
      refuse: (_policy, isSet) =>
        isSet
          ? undefined
          : 'production wants a choice; give claims, members or webhook, or open if every identity may edit everything',
    },
  }),
  accessWebhookUrl: optional({
    env: 'ACCESS_WEBHOOK_URL',
    parse: kind.httpUrl,
    meaning:
      'Where your app is asked with `ACCESS=webhook`: `POST { identity, channel }`, answered `{ role }` or 403, within 2 s; cached for 30 s.',
  }),
  accessWebhookSecret: optional({
    env: 'ACCESS_WEBHOOK_SECRET',
    parse: kind.line,
    meaning: 'Signs what the webhook is asked, with HMAC-SHA256. Known to your app and to Convene only.',
    secret: true,
    production: {
      rule: 'a secret of less than 32 bytes, or one out of an example',
      refuse(secret) {
        const weakness = secret === undefined ? undefined : weaknessOf(secret)
        return weakness && `${weakness}${GENERATED}`
      },
    },
  }),
  databaseUrl: option({
    env: 'DATABASE_URL',
    parse: kind.databaseUrl,
    default: () => 'sqlite:./data/convene.db',
    shown: '`sqlite:./data/convene.db`',
    meaning: '`sqlite:<path>`, `sqlite::memory:`, or `postgres://…`, which several nodes may share.',
    // An address of Postgres holds its password.
    secret: true,
  }),
  sqliteSynchronous: option({
    env: 'SQLITE_SYNCHRONOUS',
    parse: kind.oneOf('normal', 'full'),
    default: () => 'normal' as const,
    shown: '`normal`',
    meaning: 'After a power cut, `normal` may have lost the last moments; `full` has not, and is slower.',
  }),
  redisUrl: optional({
    env: 'REDIS_URL',
    compose: ({ UPSTASH_REDIS_REST_URL: restUrl, UPSTASH_REDIS_REST_TOKEN: restToken }) =>
      restUrl || restToken
        ? {
            name: restUrl ? 'UPSTASH_REDIS_REST_URL' : 'UPSTASH_REDIS_REST_TOKEN',
            value: { restUrl, restToken } satisfies kind.UpstashAccess,
          }
        : undefined,
    parse: kind.redisUrl,
    meaning:
      'Joins several nodes that share a Postgres; unset, this one is alone. Or `UPSTASH_REDIS_REST_URL` with `UPSTASH_REDIS_REST_TOKEN`, read as `rediss://default:<token>@<host>:6379`.',
    secret: true,
  }),
  redisPrefix: option({
    env: 'REDIS_PREFIX',
    parse: kind.textLike(/^[A-Za-z0-9_.:-]{1,64}$/, 'give 1 to 64 letters, digits and _ . : -'),
    default: () => 'convene',
    shown: '`convene`',
    meaning: 'Begins every Redis key and channel.',
  }),
  communityRedis: option({
    env: 'COMMUNITY_REDIS',
    parse: kind.flag,
    default: ({ isSet }) => isSet('UPSTASH_REDIS_REST_URL'),
    shown: 'on when `UPSTASH_REDIS_REST_URL` is set',
    meaning:
      'Deliver what your app publishes on the Redis channels `room:<id>` and `group:<id>`, and keep who is online in its keys. Whoever may publish there speaks for your app.',
  }),
  serverId: option({
    env: 'SERVER_ID',
    parse: kind.textLike(/^[A-Za-z0-9_.:-]{1,64}$/, 'give 1 to 64 letters, digits and _ . : -'),
    default: () => randomBytes(6).toString('hex'),
    shown: 'random',
    meaning: 'The name of this instance to clients, in logs and in metrics; another one for each.',
  }),
  transports: option({
    env: 'TRANSPORTS',
    parse: kind.nonEmpty(kind.list(kind.oneOf('websocket', 'polling'))),
    default: () => Object.freeze(['websocket', 'polling'] as const),
    shown: '`websocket,polling`',
    meaning: 'What Socket.IO clients may connect with.',
  }),
  events: option<readonly string[]>({
    env: 'EVENTS',
    parse: kind.list(kind.eventName),
    default: () => Object.freeze([]),
    shown: '',
    meaning: 'Names of your own facts, comma-separated, like `card:move,poll:vote`.',
  }),
  eventsKept: count('EVENTS_KEPT', [0, 1e9], 10_000, 'How many of the newest facts of each channel are always kept.'),
  eventsKeptDays: count(
    'EVENTS_KEPT_DAYS',
    [0, 100 * YEAR_OF_DAYS],
    7,
    'How many days each fact is kept at least. A fact is deleted only when it is older than this and also beyond `EVENTS_KEPT`.',
  ),
  headCheckMs: count(
    'HEAD_CHECK_MS',
    [100, MINUTE_MS],
    2000,
    'Within which a node finds in the store what it was not told; it looks that often, or more often.',
  ),
  presenceGraceMs: count(
    'PRESENCE_GRACE_MS',
    [0, 10 * MINUTE_MS],
    5000,
    'How long a lost session still counts as present.',
  ),
  pingIntervalMs: count(
    'PING_INTERVAL_MS',
    [50, 2 * MINUTE_MS],
    25_000,
    'The time between two heartbeats of a client.',
  ),
  pingTimeoutMs: count(
    'PING_TIMEOUT_MS',
    [50, 2 * MINUTE_MS],
    20_000,
    'A client that leaves a heartbeat unanswered for this long counts as lost.',
  ),
  connectTimeoutMs: count(
    'CONNECT_TIMEOUT_MS',
    [50, MINUTE_MS],
    5000,
    'How long a new connection may take to show its token; after that it is closed.',
  ),
  drainMs: count(
    'DRAIN_MS',
    [0, 10 * MINUTE_MS],
    10_000,
    'How long a stopping server lets its clients move elsewhere.',
  ),
  maxMessageBytes: count('MAX_MESSAGE_BYTES', [1024, 16 * MIB], 65_536, 'The largest message a client may send.'),
  maxOutboundBytes: count(
    'MAX_OUTBOUND_BYTES',
    [1024, 256 * MIB],
    MIB,
    'How much may wait to be sent to one session. A session that reads too slowly, so that more waits, is cut.',
  ),
  maxChannels: count('MAX_CHANNELS', [1, 10_000], 100, 'How many channels one session may join.'),
  maxCatchUp: count(
    'MAX_CATCH_UP',
    [0, 100_000],
    1000,
    'How many missed facts a returning client is given; a client that missed more starts over.',
  ),
  maxConnectionsPerUser: count(
    'MAX_CONNECTIONS_PER_USER',
    [1, 100_000],
    50,
    'How many sessions one person may have, on all nodes.',
  ),
  rateFactsPerSecond: count(
    'RATE_FACTS_PER_SECOND',
    [1, 100_000],
    50,
    'Facts and other requests one session may send each second; for a moment, twice as many.',
  ),
  rateSignalsPerSecond: count(
    'RATE_SIGNALS_PER_SECOND',
    [1, 100_000],
    120,
    'Signals and pings one session may send each second; for a moment, twice as many.',
  ),
  rateConnectionsPerMinute: count(
    'RATE_CONNECTIONS_PER_MINUTE',
    [1, 10_000_000],
    600,
    'How many new connections one address may open each minute.',
  ),
  metricsPort: optional({
    env: 'METRICS_PORT',
    parse: kind.wholeNumber(0, 65_535),
    meaning: 'Serve `/metrics` on this port too, without a key.',
  }),
  demo: option({
    env: 'DEMO',
    parse: kind.flag,
    default: ({ mode }) => mode !== 'production',
    shown: '`false`, in development `true`',
    meaning: 'The demo page at `/`, with links that sign two people in.',
    production: {
      rule: 'the demo, which gives a token to anybody who asks',
      refuse: (demo) => (demo ? 'the demo gives a token to anybody who asks; leave it unset in production' : undefined),
    },
  }),
}

/** What a server was told, checked and complete. */
export type Options = Values<typeof OPTIONS>
