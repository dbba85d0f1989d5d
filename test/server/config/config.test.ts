// The options: defaults, kinds, refusals, and the documents made from the table.
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { believesClaims } from '../../../src/server/config/believes-claims.ts'
import {
  ConfigError,
  configurationMarkdown,
  helpText,
  type Options,
  parseOptions,
  readOptions,
} from '../../../src/server/config/config.ts'
import { redisUrl } from '../../../src/server/config/kinds.ts'
import { OPTIONS } from '../../../src/server/config/options.ts'
import { isPlaceholder } from '../../../src/server/config/weak-secret.ts'

const STRONG = 'q7Vv0mYx3Jt9ZcB1nKfLrW5sHdPgEuA2oTiX8yRk'
const OTHER = 'Zk4pQ9wLx2Nf7RbTm1VcYs6HgJd3EaUo0iXtB5rK'
const WEBHOOK = {
  ACCESS: 'webhook',
  ACCESS_WEBHOOK_URL: 'https://app.example.com/access',
  ACCESS_WEBHOOK_SECRET: OTHER,
}
const PUBLIC_KEY = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()
const PRODUCTION = { NODE_ENV: 'production', JWT_SECRET: STRONG, ACCESS: 'claims' }

function problemsOf(act: () => unknown): readonly string[] {
  try {
    act()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
const problems = (environment: NodeJS.ProcessEnv) => problemsOf(() => readOptions(environment))

const EXPECTED: Record<string, { env: string; development: unknown; production?: unknown; other?: unknown }> = {
  port: { env: 'PORT', development: 3001 },
  host: { env: 'HOST', development: '127.0.0.1', production: '0.0.0.0' },
  nodeEnv: { env: 'NODE_ENV', development: 'development', production: 'production' },
  logLevel: { env: 'LOG_LEVEL', development: 'info' },
  allowedOrigins: { env: 'ALLOWED_ORIGINS', development: 'localhost', production: [] },
  trustProxy: { env: 'TRUST_PROXY', development: 0 },
  jwtSecrets: { env: 'JWT_SECRET', development: [], production: [STRONG] },
  jwtPublicKey: { env: 'JWT_PUBLIC_KEY', development: undefined },
  jwksUrl: { env: 'JWKS_URL', development: undefined },
  jwtIssuer: { env: 'JWT_ISSUER', development: undefined },
  jwtAudience: { env: 'JWT_AUDIENCE', development: undefined },
  nextAuth: { env: 'NEXTAUTH', development: false },
  insecureIdentity: { env: 'INSECURE_IDENTITY', development: undefined },
  apiKeys: { env: 'API_KEYS', development: [] },
  access: { env: 'ACCESS', development: 'open', production: 'claims' },
  accessWebhookUrl: { env: 'ACCESS_WEBHOOK_URL', development: undefined },
  accessWebhookSecret: { env: 'ACCESS_WEBHOOK_SECRET', development: undefined },
  databaseUrl: { env: 'DATABASE_URL', development: 'sqlite:./data/convene.db' },
  sqliteSynchronous: { env: 'SQLITE_SYNCHRONOUS', development: 'normal' },
  redisUrl: { env: 'REDIS_URL', development: undefined },
  redisPrefix: { env: 'REDIS_PREFIX', development: 'convene' },
  communityRedis: { env: 'COMMUNITY_REDIS', development: false },
  serverId: { env: 'SERVER_ID', development: expect.stringMatching(/^[0-9a-f]{12}$/) },
  transports: { env: 'TRANSPORTS', development: ['websocket', 'polling'] },
  events: { env: 'EVENTS', development: [] },
  eventsKept: { env: 'EVENTS_KEPT', development: 10_000 },
  eventsKeptDays: { env: 'EVENTS_KEPT_DAYS', development: 7 },
  headCheckMs: { env: 'HEAD_CHECK_MS', development: 2000 },
  presenceGraceMs: { env: 'PRESENCE_GRACE_MS', development: 5000 },
  pingIntervalMs: { env: 'PING_INTERVAL_MS', development: 25_000 },
  pingTimeoutMs: { env: 'PING_TIMEOUT_MS', development: 20_000 },
  connectTimeoutMs: { env: 'CONNECT_TIMEOUT_MS', development: 5000 },
  drainMs: { env: 'DRAIN_MS', development: 10_000 },
  maxMessageBytes: { env: 'MAX_MESSAGE_BYTES', development: 65_536 },
  maxOutboundBytes: { env: 'MAX_OUTBOUND_BYTES', development: 1_048_576 },
  maxChannels: { env: 'MAX_CHANNELS', development: 100 },
  maxCatchUp: { env: 'MAX_CATCH_UP', development: 1000 },
  maxConnectionsPerUser: { env: 'MAX_CONNECTIONS_PER_USER', development: 50 },
  rateFactsPerSecond: { env: 'RATE_FACTS_PER_SECOND', development: 50 },
  rateSignalsPerSecond: { env: 'RATE_SIGNALS_PER_SECOND', development: 120 },
  rateConnectionsPerMinute: { env: 'RATE_CONNECTIONS_PER_MINUTE', development: 600 },
  metricsPort: { env: 'METRICS_PORT', development: undefined },
  demo: { env: 'DEMO', development: true, production: false },
}

function expectedIn(mode: 'development' | 'production') {
  return Object.fromEntries(
    Object.entries(EXPECTED).map(([key, row]) => [key, mode in row ? row[mode] : row.development]),
  )
}

describe('defaults', () => {
  test('are those of options.md, in its order', () => {
    expect(Object.entries(OPTIONS).map(([key, { env }]) => [key, env])).toEqual(
      Object.entries(EXPECTED).map(([key, { env }]) => [key, env]),
    )
    expect(readOptions({})).toEqual(expectedIn('development'))
    expect(parseOptions({})).toEqual(expectedIn('development'))
  })

  test('of production', () => {
    expect(readOptions(PRODUCTION)).toEqual(expectedIn('production'))
    expect(parseOptions({ nodeEnv: 'production', jwtSecrets: [STRONG], access: 'claims' })).toEqual(
      expectedIn('production'),
    )
  })

  test('serve at once: what is written as default can be written as value', () => {
    const { serverId, ...standard } = parseOptions({})
    expect(parseOptions(standard)).toEqual({ ...standard, serverId: expect.any(String) })
    expect(parseOptions({}).serverId).not.toBe(serverId)
  })

  test.each(['test', 'development', 'staging'])('NODE_ENV=%s counts as development', (NODE_ENV) => {
    const options = readOptions({ NODE_ENV })
    expect(options).toMatchObject({ host: '127.0.0.1', demo: true, allowedOrigins: 'localhost' })
    expect(options.nodeEnv).toBe(NODE_ENV === 'test' ? 'test' : 'development')
  })

  test('are frozen, lists included', () => {
    const options = readOptions({ ALLOWED_ORIGINS: 'https://a.com', JWT_SECRET: 'x' })
    expect(Object.isFrozen(options)).toBe(true)
    for (const value of Object.values(options)) expect(Object.isFrozen(value)).toBe(true)
    expect(Object.isFrozen(readOptions(PRODUCTION).allowedOrigins)).toBe(true)
  })

  test('give the type of Options', () => {
    expectTypeOf<Options['port']>().toEqualTypeOf<number>()
    expectTypeOf<Options['nodeEnv']>().toEqualTypeOf<'development' | 'production' | 'test'>()
    expectTypeOf<Options['allowedOrigins']>().toEqualTypeOf<readonly string[] | 'localhost'>()
    expectTypeOf<Options['jwtSecrets']>().toEqualTypeOf<readonly string[]>()
    expectTypeOf<Options['jwtPublicKey']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<Options['access']>().toEqualTypeOf<'open' | 'claims' | 'members' | 'webhook'>()
    expectTypeOf<Options['transports']>().toEqualTypeOf<readonly ('websocket' | 'polling')[]>()
    expectTypeOf<Options['sqliteSynchronous']>().toEqualTypeOf<'normal' | 'full'>()
    expectTypeOf<Options['metricsPort']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Options['demo']>().toEqualTypeOf<boolean>()
  })
})

describe('reading', () => {
  test('blanks are dropped and empty means unset', () => {
    const options = readOptions({
      PORT: ' 4000\r',
      HOST: '',
      LOG_LEVEL: '  ',
      ALLOWED_ORIGINS: ' https://a.com , http://b:81,',
    })
    expect(options).toMatchObject({ port: 4000, host: '127.0.0.1', logLevel: 'info' })
    expect(options.allowedOrigins).toEqual(['https://a.com', 'http://b:81'])
  })

  test('the first alias that is set wins', () => {
    expect(readOptions({ WS_PORT: '4001' }).port).toBe(4001)
    expect(readOptions({ PORT: '4000', WS_PORT: '4001' }).port).toBe(4000)
    expect(readOptions({ PORT: '', WS_PORT: '4001' }).port).toBe(4001)
    expect(readOptions({ AUTH_SECRET: 'c' }).jwtSecrets).toEqual(['c'])
    expect(readOptions({ NEXTAUTH_SECRET: 'b', AUTH_SECRET: 'c' }).jwtSecrets).toEqual(['b'])
    expect(readOptions({ JWT_SECRET: 'a, a2', NEXTAUTH_SECRET: 'b' }).jwtSecrets).toEqual(['a', 'a2'])
  })

  test('a problem names the alias that was used', () => {
    expect(problems({ WS_PORT: 'many' })).toEqual(['WS_PORT is "many": give a whole number from 0 to 65535'])
  })

  test('a secret of NextAuth turns NextAuth on', () => {
    expect(readOptions({ NEXTAUTH_SECRET: 'b' }).nextAuth).toBe(true)
    expect(readOptions({ AUTH_SECRET: 'b' }).nextAuth).toBe(true)
    expect(readOptions({ AUTH_SECRET: 'b', NEXTAUTH: 'false' }).nextAuth).toBe(false)
    expect(readOptions({ JWT_SECRET: 'b' }).nextAuth).toBe(false)
  })

  test("the app's own Redis is listened to where it is given as the app's, or when it is said", () => {
    const upstash = { UPSTASH_REDIS_REST_URL: 'https://eu1-x.upstash.io', UPSTASH_REDIS_REST_TOKEN: 'a' }
    expect(readOptions(upstash).communityRedis).toBe(true)
    expect(readOptions({ ...upstash, COMMUNITY_REDIS: 'off' }).communityRedis).toBe(false)
    expect(readOptions({ REDIS_URL: 'redis://b' }).communityRedis).toBe(false)
    expect(readOptions({ REDIS_URL: 'redis://b', COMMUNITY_REDIS: 'on' }).communityRedis).toBe(true)
    expect(parseOptions({ redisUrl: 'redis://b' }).communityRedis).toBe(false)
  })

  test('HOSTNAME is not read', () => {
    expect(readOptions({ HOSTNAME: '1.2.3.4' }).host).toBe('127.0.0.1')
  })

  test('a program gives the same values, and no environment is read', () => {
    const saved = process.env.PORT
    process.env.PORT = '4002'
    onTestFinished(() => {
      if (saved === undefined) delete process.env.PORT
      else process.env.PORT = saved
    })
    expect(readOptions().port).toBe(4002)
    expect(parseOptions({}).port).toBe(3001)
    expect(parseOptions({ port: 0, allowedOrigins: ['https://a.com'], demo: false, jwksUrl: undefined })).toMatchObject(
      {
        port: 0,
        allowedOrigins: ['https://a.com'],
        demo: false,
      },
    )
  })

  test('unknown keys of a program are refused', () => {
    const given = { port: 0, prot: 1, constructor: 2 } as Partial<Options>
    expect(problemsOf(() => parseOptions(given))).toEqual([
      expect.stringMatching(/^prot is not an option; give some of port, host, /),
      expect.stringMatching(/^constructor is not an option; /),
    ])
  })

  test('all problems are told at once, one a line', () => {
    const act = () => readOptions({ PORT: '-1', ACCESS: 'all', PING_INTERVAL_MS: '100000', PING_TIMEOUT_MS: '100000' })
    expect(problemsOf(act)).toHaveLength(3)
    expect(act).toThrow(
      [
        'Convene does not start with these options:',
        '- PORT is "-1": give a whole number from 0 to 65535',
        '- ACCESS is "all": give one of open, claims, members, webhook',
        '- PING_INTERVAL_MS and PING_TIMEOUT_MS are 200000 together: a lost client would stay for so long; give 120000 or less',
      ].join('\n'),
    )
  })

  test('a value is shown in one short line, without the password of an address', () => {
    const [control = ''] = problems({ LOG_LEVEL: `a\nb${'x'.repeat(1000)}` })
    expect(control).toMatch(/^LOG_LEVEL is "a\\nbx+…: /)
    expect(control.length).toBeLessThan(250)
    expect(problems({ ALLOWED_ORIGINS: 'https://me@a.com' })).toEqual([
      expect.stringMatching(/^ALLOWED_ORIGINS is "https:\/\/\*\*\*@a.com": write each origin/),
    ])
    expect(problems({ JWKS_URL: 'https://me:hunter2@keys.example.com' })).toEqual([
      'JWKS_URL is "https://***@keys.example.com": give it without a user name and password',
    ])
  })
})

describe('values that will not do', () => {
  test.each<[string, string, string]>([
    ['PORT', '65536', 'give a whole number from 0 to 65535'],
    ['PORT', '1e3', 'give a whole number'],
    ['PORT', '12.5', 'give a whole number'],
    ['TRUST_PROXY', 'true', 'give a whole number from 0 to 16'],
    ['MAX_MESSAGE_BYTES', '64kb', 'give a whole number from 1024'],
    ['HOST', 'http://0.0.0.0', 'without scheme or port'],
    ['HOST', 'localhost:80', 'without scheme or port'],
    ['LOG_LEVEL', 'verbose', 'give one of trace, debug, info, warn, error, fatal, silent'],
    ['NODE_ENV', 'prod', 'write production, in full and lower case'],
    ['NODE_ENV', 'Production', 'write production, in full and lower case'],
    ['ALLOWED_ORIGINS', 'https://a.com/', 'without a slash at its end'],
    ['ALLOWED_ORIGINS', 'https://a.com/app', 'scheme://host'],
    ['ALLOWED_ORIGINS', 'https://A.com', 'lower case'],
    ['ALLOWED_ORIGINS', 'https://a.com:443', 'default port'],
    ['ALLOWED_ORIGINS', 'a.com', 'scheme://host'],
    ['ALLOWED_ORIGINS', 'null', 'scheme://host'],
    ['ALLOWED_ORIGINS', 'https://*.a.com', 'list each origin'],
    ['ALLOWED_ORIGINS', 'https://a.com https://b.com', 'scheme://host'],
    ['ALLOWED_ORIGINS', ',', 'give at least one, or leave it unset'],
    ['JWKS_URL', 'keys.example.com', 'https:// or http://'],
    ['JWKS_URL', 'file:///keys', 'https:// or http://'],
    ['JWT_ISSUER', 'a\nb', 'give text in one line'],
    ['NEXTAUTH', 'maybe', 'give true or false'],
    ['DEMO', '2', 'give true or false'],
    ['ACCESS', 'OPEN', 'give one of open, claims, members, webhook'],
    ['SQLITE_SYNCHRONOUS', 'off', 'give one of normal, full'],
    ['SERVER_ID', 'a b', 'give 1 to 64 letters'],
    ['TRANSPORTS', 'websocket,webtransport', 'give one of websocket, polling'],
    ['EVENTS', 'card:move,CARD_MOVE', 'noun:verb'],
    ['EVENTS', 'task:update', 'an event of the protocol already'],
    ['EVENTS', 'presence:join', 'an event of the protocol already'],
  ])('%s=%s', (name, value, whatWouldDo) => {
    const [first = '', ...more] = problems({ [name]: value })
    expect(more).toEqual(name === 'NODE_ENV' ? [expect.anything(), expect.anything()] : [])
    // The sentence has the option, the value and what would do.
    expect(first).toContain(`${name} is ${JSON.stringify(value)}: `)
    expect(first).toContain(whatWouldDo)
  })

  test.each(['postgres', 'mysql://db', 'sqlite:', 'sqlite:///srv/a.db', './a.db'])('DATABASE_URL=%s', (value) => {
    expect(problems({ DATABASE_URL: value })).toEqual([expect.stringMatching(/^DATABASE_URL: give sqlite:<path>/)])
  })

  test('values of a program are not taken on trust', () => {
    const wrong = { port: 1.5, demo: 'perhaps', transports: [], events: [7], host: 5, logLevel: {}, jwtSecrets: 'a,' }
    expect(problemsOf(() => parseOptions(wrong as unknown as Partial<Options>))).toEqual([
      'PORT is 1.5: give a whole number from 0 to 65535',
      'HOST is 5: give an address or a host name to listen on, like 0.0.0.0, without scheme or port',
      'LOG_LEVEL is {}: give one of trace, debug, info, warn, error, fatal, silent',
      'TRANSPORTS is []: give at least one',
      expect.stringMatching(/^EVENTS is \[ 7 \]: give names like card:move/),
      'DEMO is "perhaps": give true or false',
    ])
  })
})

describe('values that will do', () => {
  test.each<[string, string, Partial<Options>]>([
    ['HOST', '::', { host: '::' }],
    ['HOST', 'localhost', { host: 'localhost' }],
    ['ALLOWED_ORIGINS', '*', { allowedOrigins: ['*'] }],
    [
      'ALLOWED_ORIGINS',
      'capacitor://localhost,https://a.com,https://a.com',
      { allowedOrigins: ['capacitor://localhost', 'https://a.com'] },
    ],
    ['NEXTAUTH', 'OFF', { nextAuth: false }],
    ['DATABASE_URL', 'sqlite::memory:', { databaseUrl: 'sqlite::memory:' }],
    ['DATABASE_URL', 'sqlite:/srv/a.db', { databaseUrl: 'sqlite:/srv/a.db' }],
    ['TRANSPORTS', 'websocket', { transports: ['websocket'] }],
    ['EVENTS', 'card:move, poll:vote', { events: ['card:move', 'poll:vote'] }],
    ['REDIS_PREFIX', 'convene', { redisPrefix: 'convene' }],
    ['HEAD_CHECK_MS', '2000', { headCheckMs: 2000 }],
    ['PRESENCE_GRACE_MS', '0', { presenceGraceMs: 0 }],
    ['ACCESS', 'members', { access: 'members' }],
    ['METRICS_PORT', '9100', { metricsPort: 9100 }],
  ])('%s=%s', (name, value, expected) => {
    expect(readOptions({ [name]: value })).toMatchObject(expected)
  })
})

describe('JWT_PUBLIC_KEY', () => {
  const pair = generateKeyPairSync('ed25519')
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const privatePem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

  function file(text: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'convene-config-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'key.pem'), text)
    return join(folder, 'key.pem')
  }

  test('is PEM, PEM with \\n written out, or a file', () => {
    expect(readOptions({ JWT_PUBLIC_KEY: pem }).jwtPublicKey).toBe(pem)
    expect(readOptions({ JWT_PUBLIC_KEY: pem.replaceAll('\n', '\\n') }).jwtPublicKey).toBe(pem)
    expect(readOptions({ JWT_PUBLIC_KEY: file(pem) }).jwtPublicKey).toBe(pem)
    expect(parseOptions({ jwtPublicKey: pem }).jwtPublicKey).toBe(pem)
  })

  test('is enough for production', () => {
    expect(readOptions({ NODE_ENV: 'production', ACCESS: 'claims', JWT_PUBLIC_KEY: pem }).jwtSecrets).toEqual([])
  })

  test('is refused when it is something else', () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' })
    const x25519 = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' })
    const refusal = (value: string) => problems({ JWT_PUBLIC_KEY: value })
    expect(refusal('/nowhere/key.pem')).toEqual([expect.stringMatching(/a file that can be read \(ENOENT\)$/)])
    expect(refusal(file('hello'))).toEqual([expect.stringMatching(/give a public key as PEM text/)])
    expect(refusal('-----BEGIN PUBLIC KEY-----\nAAAA')).toEqual([
      expect.stringMatching(/give a public key as PEM text/),
    ])
    expect(refusal(privatePem)).toEqual([expect.stringMatching(/give the public key; this is the private one/)])
    expect(refusal(file(privatePem))).toEqual([expect.stringMatching(/give the public key; this is the private one/)])
    expect(refusal(small.toString())).toEqual([expect.stringMatching(/2048 bits or more/)])
    expect(refusal(x25519.toString())).toEqual([expect.stringMatching(/give an RSA, EC or Ed25519 public key/)])
  })
})

describe('production refuses', () => {
  test.each<[string, NodeJS.ProcessEnv, string]>([
    [
      'no way to verify identity',
      { JWT_SECRET: '' },
      'JWT_SECRET is not set: production wants JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL',
    ],
    ['[A8] a secret under 32 bytes', { JWT_SECRET: STRONG.slice(0, 31) }, 'JWT_SECRET: value 1 of 1 has 31 bytes'],
    [
      '[A8] a second secret under 32 bytes',
      { JWT_SECRET: `${STRONG},${OTHER.slice(0, 12)}` },
      'JWT_SECRET: value 2 of 2 has 12 bytes',
    ],
    [
      '[A8] a weak secret under another name',
      { JWT_SECRET: '', AUTH_SECRET: 'short' },
      'AUTH_SECRET: value 1 of 1 has 5 bytes',
    ],
    [
      '[A8] a placeholder',
      { JWT_SECRET: 'your-secret-key-change-this-in-production' },
      'JWT_SECRET: value 1 of 1 can be guessed',
    ],
    ['[A8] a repeated character', { JWT_SECRET: 'x'.repeat(64) }, 'JWT_SECRET: value 1 of 1 can be guessed'],
    ['no access policy', { ACCESS: '' }, 'ACCESS is not set: production wants a choice'],
    [
      'a wildcard origin',
      { ALLOWED_ORIGINS: 'https://a.com,*' },
      'ALLOWED_ORIGINS is "https://a.com,*": production wants each origin',
    ],
    [
      'any localhost origin',
      { ALLOWED_ORIGINS: 'localhost' },
      'ALLOWED_ORIGINS is "localhost": production wants each origin',
    ],
    [
      '[A8] a webhook secret under 32 bytes',
      { ...WEBHOOK, ACCESS_WEBHOOK_SECRET: STRONG.slice(0, 31) },
      'ACCESS_WEBHOOK_SECRET: has 31 bytes; production wants a generated one of 32 or more, like the output of: openssl',
    ],
    [
      '[A8] a webhook secret out of an example',
      { ...WEBHOOK, ACCESS_WEBHOOK_SECRET: 'your-webhook-secret-change-this-in-production' },
      'ACCESS_WEBHOOK_SECRET: can be guessed; production wants a generated one',
    ],
    ['a short API key', { API_KEYS: `${OTHER},${STRONG.slice(0, 23)}` }, 'API_KEYS: value 2 of 2 has 23 characters'],
    [
      'an unverified identity',
      { INSECURE_IDENTITY: 'true' },
      'INSECURE_IDENTITY is "true": production believes verified tokens only',
    ],
    ['the demo', { DEMO: 'true' }, 'DEMO is "true": the demo gives a token to anybody who asks'],
  ])('%s', (_what, given, start) => {
    expect(problems({ ...PRODUCTION, ...given })).toEqual([expect.stringContaining(start)])
    // Development takes the same, but for what no version serves yet.
    if (!('INSECURE_IDENTITY' in given))
      expect(problems({ ...PRODUCTION, ...given, NODE_ENV: 'development' })).toEqual([])
  })

  test('the same from a program', () => {
    expect(problemsOf(() => parseOptions({ nodeEnv: 'production', allowedOrigins: ['*'], demo: true }))).toHaveLength(4)
  })

  test('everything at once, also when production is misspelt', () => {
    expect(problems({ NODE_ENV: 'PRODUCTION' })).toEqual([
      expect.stringContaining('NODE_ENV is "PRODUCTION"'),
      expect.stringContaining('ACCESS is not set'),
      expect.stringContaining('JWT_SECRET is not set'),
    ])
  })

  test('no option twice: one that cannot be read is not also called unset', () => {
    expect(problems({ ...PRODUCTION, JWT_SECRET: '', JWKS_URL: 'nonsense' })).toEqual([
      expect.stringContaining('JWKS_URL is "nonsense"'),
    ])
  })

  test('nothing of a sound configuration', () => {
    expect(
      problems({
        ...PRODUCTION,
        JWT_SECRET: `${STRONG},${OTHER}`,
        API_KEYS: STRONG.slice(0, 24),
        ALLOWED_ORIGINS: 'https://a.com',
      }),
    ).toEqual([])
    expect(
      problems({ NODE_ENV: 'production', ACCESS: 'open', JWKS_URL: 'https://keys.example.com/jwks.json' }),
    ).toEqual([])
    expect(problems({ ...PRODUCTION, ACCESS: 'members' })).toEqual([])
    // An app beside the server, in a private network.
    expect(problems({ ...PRODUCTION, ...WEBHOOK, ACCESS_WEBHOOK_URL: 'http://app:3000/access' })).toEqual([])
  })
})

describe('[A8] placeholders', () => {
  test.each([
    'secret',
    'changeme',
    'your-secret-here',
    'your-256-bit-secret',
    'your-super-secret-jwt-token-with-at-least-32-characters-long',
    'please-change-me-in-production-please-change-me',
    'my_super_secret_key_for_development_only_do_not_use',
    'development-secret-not-for-production',
    'replace-this-with-a-long-random-string!!',
    'secretsecretsecretsecretsecretsecret',
    '0123456789abcdef0123456789abcdef',
    '12345678901234567890123456789012',
    'abcdefghijklmnopqrstuvwxyz0123456789',
    '00000000000000000000000000000000',
  ])('%s', (secret) => {
    expect(isPlaceholder(secret)).toBe(true)
  })

  test('are not seen in what was generated', () => {
    for (const secret of [STRONG, OTHER, 'correct horse battery staple orbit lamp'])
      expect(isPlaceholder(secret)).toBe(false)
    for (let i = 0; i < 500; i++) {
      const bytes = crypto.getRandomValues(Buffer.alloc(32))
      for (const encoding of ['hex', 'base64', 'base64url'] as const) {
        expect(isPlaceholder(bytes.toString(encoding)), bytes.toString(encoding)).toBe(false)
      }
      expect(isPlaceholder(crypto.randomUUID())).toBe(false)
    }
  })
})

describe('options that do not fit each other', () => {
  test.each<[NodeJS.ProcessEnv, string]>([
    [
      { PING_INTERVAL_MS: '60000', PING_TIMEOUT_MS: '60001' },
      'PING_INTERVAL_MS and PING_TIMEOUT_MS are 120001 together',
    ],
    [{ MAX_OUTBOUND_BYTES: '65535' }, 'MAX_OUTBOUND_BYTES is 65535: '],
    [{ PORT: '9100', METRICS_PORT: '9100' }, 'METRICS_PORT is 9100: that is PORT already'],
    [{ NEXTAUTH: 'true' }, 'NEXTAUTH is true: its tokens are encrypted with the secret of your app'],
    [{ COMMUNITY_REDIS: 'true' }, 'COMMUNITY_REDIS is true: give the Redis that your app publishes on as REDIS_URL'],
  ])('%o', (environment, start) => {
    expect(problems(environment)).toEqual([expect.stringContaining(start)])
  })

  test('a webhook without ACCESS=webhook', () => {
    const sentence = 'ACCESS_WEBHOOK_URL and ACCESS_WEBHOOK_SECRET are asked with ACCESS=webhook only; leave them unset'
    expect(problems({ ACCESS_WEBHOOK_URL: 'https://app.example.com/access' })).toEqual([sentence])
    expect(problems({ ACCESS_WEBHOOK_SECRET: STRONG })).toEqual([sentence])
    expect(problems({ ...WEBHOOK, ACCESS: 'members' })).toEqual([sentence])
  })

  test('ACCESS=webhook without all that belongs to it', () => {
    const refusal = (names: string) => [
      `ACCESS is webhook: your app is asked, so set ${names} as well, where it is asked and what signs the question`,
    ]
    expect(problems({ ...WEBHOOK, ACCESS_WEBHOOK_URL: '' })).toEqual(refusal('ACCESS_WEBHOOK_URL'))
    expect(problems({ ...WEBHOOK, ACCESS_WEBHOOK_SECRET: ' ' })).toEqual(refusal('ACCESS_WEBHOOK_SECRET'))
    expect(problems({ ACCESS: 'webhook' })).toEqual(refusal('ACCESS_WEBHOOK_URL and ACCESS_WEBHOOK_SECRET'))
    expect(problemsOf(() => parseOptions({ access: 'webhook' }))).toEqual(problems({ ACCESS: 'webhook' }))
    // One that cannot be read is not also called unset.
    expect(problems({ ...WEBHOOK, ACCESS_WEBHOOK_URL: 'app/access' })).toEqual([
      'ACCESS_WEBHOOK_URL is "app/access": give an address that starts with https:// or http://',
    ])
  })
})

test.each([
  ['development with nothing to verify with', {}, true],
  ['INSECURE_IDENTITY=false', { INSECURE_IDENTITY: 'false' }, false],
  ['a secret', { JWT_SECRET: STRONG }, false],
  ['a public key', { JWT_PUBLIC_KEY: PUBLIC_KEY }, false],
  ['keys to fetch', { JWKS_URL: 'https://issuer.example.com/jwks' }, false],
  ['a secret and INSECURE_IDENTITY=true', { JWT_SECRET: STRONG, INSECURE_IDENTITY: 'true' }, true],
  ['production', PRODUCTION, false],
])('[D3] clients that claim to be somebody are believed or not: %s', (_what, environment, isBelieved) => {
  expect(believesClaims(readOptions(environment))).toBe(isBelieved)
})

test("Upstash's pair is read as an address of Redis", () => {
  expect(redisUrl({ restUrl: 'https://eu1-x.upstash.io', restToken: 'a/b' })).toBe(
    'rediss://default:a%2Fb@eu1-x.upstash.io:6379',
  )
  for (const half of [
    { restUrl: 'https://eu1-x.upstash.io', restToken: undefined },
    { restUrl: undefined, restToken: 'a' },
  ]) {
    expect(() => redisUrl(half)).toThrow(
      'set both UPSTASH_REDIS_REST_URL, an https:// address, and UPSTASH_REDIS_REST_TOKEN',
    )
  }
  expect(redisUrl('rediss://default:a@b:6380')).toBe('rediss://default:a@b:6380')
  expect(() => redisUrl('http://b')).toThrow('give an address that starts with redis:// or rediss://')
})

test('no secret is in a refusal, whatever is wrong with it', () => {
  const marker = 'MaRk3r'
  const secrets = Object.values(OPTIONS).filter((row) => row.secret)
  expect(secrets.map(({ env }) => env)).toEqual([
    'JWT_SECRET',
    'JWT_PUBLIC_KEY',
    'API_KEYS',
    'ACCESS_WEBHOOK_SECRET',
    'DATABASE_URL',
    'REDIS_URL',
  ])
  const names = secrets
    .flatMap(({ env, aliases = [] }) => [env, ...aliases])
    .concat('UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN')
  const shapes = [
    marker,
    `a\n${marker}`,
    `${marker},${marker}x`,
    `postgres://u:${marker}@h/d`,
    `redis://u:${marker}@h`,
    `-----BEGIN PRIVATE KEY-----${marker}`,
  ]
  let refusals = 0
  for (const name of names) {
    for (const value of shapes) {
      for (const NODE_ENV of ['production', 'development']) {
        try {
          readOptions({ NODE_ENV, [name]: value })
        } catch (error) {
          refusals++
          expect(error).toBeInstanceOf(ConfigError)
          expect(`${error}${JSON.stringify(error)}${(error as Error).stack}`).not.toContain(marker)
        }
      }
    }
  }
  expect(refusals).toBeGreaterThan(names.length * shapes.length)
})

describe('documents', () => {
  test('the help of convene serve', async () => {
    const help = helpText()
    await expect(help).toMatchFileSnapshot('./__snapshots__/help.txt')
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    for (const { env } of Object.values(EXPECTED)) expect(help).toMatch(new RegExp(`^  ${env} `, 'm'))
  })

  test('docs/configuration.md', async () => {
    const markdown = configurationMarkdown()
    await expect(markdown).toMatchFileSnapshot('../../../docs/configuration.md')
    for (const { env } of Object.values(EXPECTED)) expect(markdown).toMatch(new RegExp(`^\\| \`${env}\``, 'm'))
  })

  test('show the defaults that are', () => {
    for (const row of Object.values(OPTIONS)) {
      const standard: unknown = row.default({ mode: 'development', isSet: () => false })
      if (typeof standard === 'number') expect(row.shown).toBe(String(standard))
      // What they are hangs on other options.
      if (['NEXTAUTH', 'COMMUNITY_REDIS', 'INSECURE_IDENTITY'].includes(row.env)) continue
      if (standard === undefined) expect(row.shown).toBe('')
      if (typeof standard === 'boolean') expect(row.shown).toContain(String(standard))
    }
  })
})
