// The access webhook: an app on a real port is asked, believed for a while, and left alone while it fails.
import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ConveneError } from '../../../src/protocol/errors.ts'
import { createWebhookPolicy, type WebhookOptions, type WebhookPolicy } from '../../../src/server/access/webhook.ts'
import { type Identity, identityOf } from '../../../src/server/auth/identity.ts'
import { createLogger } from '../../../src/server/observe/logger.ts'
import { cleanup } from '../../support/cleanup.ts'
import { until } from '../../support/until.ts'
import { type App, json, type Question, startApp } from './app.ts'

const SECRET = 'q7Vv0mYx3Jt9ZcB1nKfLrW5sHdPgEuA2oTiX8yRk'
const CLAIM = 'cLaImMaRkEr'
const ANN = identityOf({ sub: 'ann', name: 'Ann', email: 'ann@example.com', plan: CLAIM })
const BOB = identityOf({ sub: 'bob' })
const UNAVAILABLE = 'unavailable: The app that decides about access does not answer; try again'

interface Policy extends WebhookPolicy {
  readonly lines: readonly string[]
}

/** Durations that a test does not name are so long that they never end within it. */
function policyOf(app: Pick<App, 'url'>, options: Partial<WebhookOptions> = {}): Policy {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const logger = createLogger({ level: 'trace', pretty: false, serverId: 's1' }, destination)
  const never = { timeoutMs: 60_000, keepMs: 600_000, pauseMs: 600_000 }
  const policy = createWebhookPolicy({ url: app.url, secret: SECRET, logger, ...never, ...options })
  cleanup(() => policy.stop())
  return { ...policy, lines }
}

/** The role, or the error in one line. */
async function outcome(policy: WebhookPolicy, channel = 'project:p1', identity: Identity = ANN): Promise<unknown> {
  return await Promise.resolve(policy.role(identity, channel)).catch(
    ({ code, message }: ConveneError) => `${code}: ${message}`,
  )
}

async function outcomes(policy: WebhookPolicy, count: number, prefix: string): Promise<ReadonlySet<unknown>> {
  const asked = Array.from({ length: count }, (_, index) => outcome(policy, `room:${prefix}${index}`))
  return new Set(await Promise.all(asked))
}

const hang = () => {}
const broken = json({ error: 'down' }, 500)

/** An answer that waits to be let go. */
function gate(how: (question: Question) => unknown) {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return { release: () => release(), answer: (question: Question) => released.then(() => how(question)) }
}

describe('the question', () => {
  test('is who and where, and nothing else', async () => {
    const app = await startApp()
    await outcome(policyOf(app))
    expect(app.questions).toHaveLength(1)
    const { method, path, headers, body } = app.questions[0] as Question
    expect({ method, path, type: headers['content-type'] }).toEqual({
      method: 'POST',
      path: '/access',
      type: 'application/json',
    })
    expect(JSON.parse(body)).toEqual({ identity: ANN, channel: 'project:p1' })
  })

  test('is signed over its time and its body as sent', async () => {
    const app = await startApp()
    const before = Math.floor(Date.now() / 1000)
    await outcome(policyOf(app), 'project:p1', identityOf({ sub: 'zoë', name: 'Zoë 🦉' }))
    const { headers, body } = app.questions[0] as Question
    const [, time = '', signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-convene-signature'])) ?? []
    expect(Number(time)).toBeGreaterThanOrEqual(before)
    expect(Number(time)).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000))
    expect(signature).toBe(createHmac('sha256', SECRET).update(`${time}.${body}`, 'utf8').digest('hex'))
  })

  test('goes out again over a new connection when the app had just closed the kept one', async () => {
    const app = await startApp()
    const seen = new WeakSet<object>()
    app.answers((question) => {
      const { socket } = question.response
      if (socket && seen.has(socket)) return socket.destroy()
      if (socket) seen.add(socket)
      return json({ role: 'editor' })(question)
    })
    const policy = policyOf(app)
    expect(await outcome(policy, 'room:1')).toBe('editor')
    expect(await outcome(policy, 'room:2')).toBe('editor')
    expect(app.questions.map(({ channel }) => channel)).toEqual(['room:1', 'room:2', 'room:2'])
  })
})

describe('the answer', () => {
  test.each(['viewer', 'commenter', 'editor', 'admin'])('%s', async (role) => {
    const app = await startApp(json({ role, more: 1 }))
    expect(await outcome(policyOf(app))).toBe(role)
  })

  test.each<[string, unknown, number]>([
    ['role null', { role: null }, 200],
    ['role none', { role: 'none' }, 200],
    ['403', { role: 'admin' }, 403],
    ['404', {}, 404],
    ['400', { role: 'admin' }, 400],
    ['402', {}, 402],
    ['405', {}, 405],
    ['422', {}, 422],
    ['499', {}, 499],
    ['403 with a large page', { page: 'x'.repeat(1_000_000) }, 403],
  ])('%s lets nobody in, and is no failure', async (_name, body, status) => {
    const app = await startApp(json(body, status))
    const policy = policyOf(app, { failures: 1 })
    expect(await outcome(policy)).toBe(null)
    expect(await outcome(policy)).toBe(null)
    expect(app.questions).toHaveLength(1)
    expect(await outcome(policy, 'room:2')).toBe(null)
    expect(app.questions).toHaveLength(2)
    expect(policy.lines).toEqual([])
  })

  test.each<[string, (question: Question) => unknown, RegExp]>([
    ['status 500', broken, /expected status 200, 403 or 404, got 500/],
    ['status 401', json({ role: 'admin' }, 401), /got 401: the app does not believe us; is ACCESS_WEBHOOK_SECRET/],
    ['status 408', json({ role: 'admin' }, 408), /got 408/],
    ['status 429', json({ role: 'admin' }, 429), /got 429/],
    ['status 503', json({ role: 'admin' }, 503), /got 503/],
    ['status 201', json({ role: 'admin' }, 201), /got 201/],
    ['no JSON', ({ response }) => response.end('<h1>LeAk</h1>'), /expected an answer in JSON/],
    ['an empty body', ({ response }) => response.end(), /expected an answer in JSON/],
    ['an unknown role', json({ role: 'LeAk' }), /expected a role: viewer, /],
    ['a role that only looks like one', json({ role: ['admin'] }), /expected a role: /],
    ['no role', json({}), /expected a role: /],
    ['no object', json('admin'), /expected a role: /],
    ['null', json(null), /expected a role: /],
    ['a cut connection', ({ response }) => response.destroy(), /ECONNRESET/],
    ['half an answer', half, /ECONNRESET/],
  ])('%s is a failure', async (_name, how, reason) => {
    const app = await startApp(how)
    const policy = policyOf(app, { failures: 1 })
    expect(await outcome(policy)).toBe(UNAVAILABLE)
    expect(policy.lines).toEqual([expect.stringMatching(reason)])
    expect(policy.lines.join()).not.toContain('LeAk')
  })

  test.each([301, 302, 307, 308])('a redirect (%i) is a failure and is not followed', async (status) => {
    const app = await startApp((question) => {
      if (question.path === '/elsewhere') return json({ role: 'admin' })(question)
      return question.response.writeHead(status, { location: '/elsewhere' }).end()
    })
    expect(await outcome(policyOf(app))).toBe(UNAVAILABLE)
    expect(app.questions.map(({ path }) => path)).toEqual(['/access'])
  })

  test.each<[string, (question: Question) => unknown]>([
    ['of 20 MB', json({ role: 'admin', more: 'x'.repeat(20_000_000) })],
    ['without end', endless],
  ])('%s is a failure, and is not read to its end', async (_name, how) => {
    const app = await startApp(how)
    const policy = policyOf(app, { failures: 1 })
    expect(await outcome(policy)).toBe(UNAVAILABLE)
    expect(policy.lines).toEqual([expect.stringContaining('an answer of more than 16384 bytes')])
    await until('the connection is closed', () => app.questions[0]?.response.destroyed === true)
  })
})

function endless({ response }: Question): void {
  response.writeHead(200)
  const more = () => {
    while (response.write(' '.repeat(65_536)));
  }
  response.on('drain', more)
  more()
}

function half({ response }: Question): void {
  response.writeHead(200, { 'content-length': '100' })
  response.write('{"role":"admin"', () => response.destroy())
}

function drip({ response }: Question): void {
  response.writeHead(200)
  const dripping = setInterval(() => response.write(' '), 5)
  response.on('close', () => clearInterval(dripping))
}

describe('an app that hangs', () => {
  test.each<[string, (question: Question) => unknown]>([
    ['never answers', hang],
    ['sends headers only', ({ response }) => response.writeHead(200).flushHeaders()],
    ['sends half an answer', ({ response }) => response.writeHead(200).write('{"role":')],
    ['drips bytes', drip],
  ])('and %s: unavailable', async (_name, how) => {
    const app = await startApp(how)
    const policy = policyOf(app, { timeoutMs: 100, failures: 1 })
    expect(await outcome(policy)).toBe(UNAVAILABLE)
    expect(app.questions).toHaveLength(1)
    expect(policy.lines).toEqual([expect.stringContaining('no complete answer within 100 ms')])
    const { response } = app.questions[0] as Question
    await until('the connection is closed', () => response.destroyed)
  })

  test('the error says when to come back, and nothing about the app', async () => {
    const app = await startApp(hang)
    const policy = policyOf({ url: `${app.url}?key=${SECRET}` }, { timeoutMs: 50, failures: 1 })
    for (const channel of ['room:asked', 'room:not-asked']) {
      const error = await Promise.resolve(policy.role(ANN, channel)).catch((reason: ConveneError) => reason)
      expect(error).toMatchObject({ code: 'unavailable', retryAfterMs: expect.any(Number) })
      const { retryAfterMs, message, cause } = error as ConveneError
      expect(retryAfterMs).toBeGreaterThan(0)
      expect(retryAfterMs).toBeLessThanOrEqual(600_000)
      expect(message).not.toMatch(/127\.0\.0\.1|http|:\d/)
      expect(`${message} ${String(cause)}`).not.toMatch(/key|q7Vv/)
    }
    expect(app.questions).toHaveLength(1)
  })

  test('a failure is not kept: the next who asks has the app asked', async () => {
    const app = await startApp(broken)
    const policy = policyOf(app)
    expect(await outcome(policy)).toBe(UNAVAILABLE)
    app.answers(json({ role: 'viewer' }))
    expect(await outcome(policy)).toBe('viewer')
  })
})

describe('an answer is kept', () => {
  test('so that the app is asked once', async () => {
    const app = await startApp()
    const policy = policyOf(app)
    for (let i = 0; i < 5; i++) expect(await outcome(policy)).toBe('editor')
    expect(app.questions).toHaveLength(1)
  })

  test('and a question under way is not asked again: 20 at once', async () => {
    const { release, answer } = gate(json({ role: 'editor' }))
    const app = await startApp(answer)
    const policy = policyOf(app)
    const asked = Array.from({ length: 20 }, () => outcome(policy))
    await until('the app is asked', () => app.questions.length > 0)
    release()
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['editor']))
    expect(app.questions).toHaveLength(1)
  })

  test('for one person, one channel, one set of claims', async () => {
    const app = await startApp(({ channel, response, ...rest }) =>
      json({ role: channel === 'room:r1' ? 'viewer' : 'editor' })({ channel, response, ...rest }),
    )
    const policy = policyOf(app)
    const other = identityOf({ ...ANN.claims, plan: 'free' })
    expect(await outcome(policy, 'room:r1', ANN)).toBe('viewer')
    expect(await outcome(policy, 'room:r2', ANN)).toBe('editor')
    await outcome(policy, 'room:r1', BOB)
    await outcome(policy, 'room:r1', other)
    expect(app.questions.map(({ body }) => JSON.parse(body))).toEqual([
      { identity: ANN, channel: 'room:r1' },
      { identity: ANN, channel: 'room:r2' },
      { identity: BOB, channel: 'room:r1' },
      { identity: other, channel: 'room:r1' },
    ])
  })

  test('not for ever', async () => {
    const app = await startApp()
    const policy = policyOf(app, { keepMs: 20 })
    expect(await outcome(policy)).toBe('editor')
    app.answers(json({ role: null }))
    await until('the app is asked again', () => {
      void outcome(policy)
      return app.questions.length > 1
    })
    expect(await outcome(policy)).toBe(null)
  })

  test('until something was said of the person in the channel, whatever the claims', async () => {
    const app = await startApp()
    const policy = policyOf(app)
    const other = identityOf({ ...ANN.claims, plan: 'free' })
    for (const identity of [ANN, other]) await outcome(policy, 'room:r1', identity)
    app.answers(json({ role: null }))
    for (const identity of [ANN, other]) expect(await policy.role(identity, 'room:r1', 7)).toBe(null)
    // An answer of before is that of before still, for whoever asks as of then.
    expect(await outcome(policy, 'room:r1')).toBe('editor')
    expect(app.questions).toHaveLength(4)
  })
})

describe('an app that fails', () => {
  test('is not asked any more after some failures in a row', async () => {
    const app = await startApp(broken)
    const policy = policyOf(app, { failures: 3 })
    for (let i = 0; i < 10; i++) expect(await outcome(policy, `room:${i}`)).toBe(UNAVAILABLE)
    expect(app.questions).toHaveLength(3)
  })

  test('but now and then is asked on: good answers and refusals count anew', async () => {
    const app = await startApp()
    const policy = policyOf(app, { failures: 3 })
    for (let i = 0; i < 9; i++) {
      app.answers(i % 3 === 2 ? json({}, i % 2 ? 400 : 404) : broken)
      expect(await outcome(policy, `room:${i}`)).toBe(i % 3 === 2 ? null : UNAVAILABLE)
    }
    expect(app.questions).toHaveLength(9)
    expect(policy.lines).toEqual([])
  })

  test('is still believed for what it said before', async () => {
    const app = await startApp()
    const policy = policyOf(app, { failures: 1 })
    expect(await outcome(policy, 'room:known')).toBe('editor')
    app.answers(broken)
    expect(await outcome(policy, 'room:unknown')).toBe(UNAVAILABLE)
    expect(await outcome(policy, 'room:known')).toBe('editor')
  })

  test('that was never there is unavailable', async () => {
    const policy = policyOf({ url: 'http://127.0.0.1:1/access' }, { failures: 1 })
    expect(await outcome(policy)).toBe(UNAVAILABLE)
    expect(policy.lines).toEqual([expect.stringContaining('ECONNREFUSED')])
    expect(policy.lines.join()).not.toContain('127.0.0.1')
  })

  test('gets one probe after the pause, and all questions when that is answered', async () => {
    const app = await startApp(broken)
    const policy = policyOf(app, { failures: 2, pauseMs: 50 })
    await outcome(policy, 'room:1')
    await outcome(policy, 'room:2')
    const { release, answer } = gate(json({ role: 'editor' }))
    app.answers(answer)
    let tries = 0
    const probes: Promise<unknown>[] = []
    await until('a probe is let through', () => {
      probes.push(outcome(policy, `room:probe${tries++}`))
      return app.questions.length > 2
    })
    expect(await outcomes(policy, 20, 'beside')).toEqual(new Set([UNAVAILABLE]))
    expect(app.questions).toHaveLength(3)
    release()
    expect((await Promise.all(probes)).filter((one) => one === 'editor')).toHaveLength(1)
    expect(await outcomes(policy, 20, 'after')).toEqual(new Set(['editor']))
    expect(app.questions).toHaveLength(23)
  })

  test('gets a pause again after a probe that failed', async () => {
    const app = await startApp(broken)
    const policy = policyOf(app, { failures: 3, pauseMs: 50 })
    await outcomes(policy, 3, 'first')
    expect(app.questions).toHaveLength(3)
    let tries = 0
    await until('three probes were let through', () => {
      void outcome(policy, `room:probe${tries++}`)
      return app.questions.length >= 6
    })
    // Each probe failed, and each time more was refused than asked.
    expect(tries).toBeGreaterThan(3)
    expect(policy.lines).toHaveLength(1)
  })

  test('is logged once each time it begins to fail, and when it is back', async () => {
    const app = await startApp()
    const policy = policyOf(app, { failures: 2, pauseMs: 20, timeoutMs: 1000 })
    for (const round of ['a', 'b']) {
      app.answers(broken)
      expect(await outcomes(policy, 20, `${round}-broken`)).toEqual(new Set([UNAVAILABLE]))
      app.answers(json({ role: 'editor' }))
      let tries = 0
      const roles: unknown[] = []
      await until('the app is asked again', () => {
        void outcome(policy, `room:${round}-try${tries++}`).then((one) => roles.push(one))
        return roles.includes('editor')
      })
    }
    const told = policy.lines.map((line) => JSON.parse(line)).map(({ level, msg }) => `${level}: ${msg}`)
    const [failed, back] = [
      'error: the access webhook fails; it is left alone for a while',
      'info: the access webhook answers again',
    ]
    expect(told).toEqual([failed, back, failed, back])
  })

  test('[A4] puts nothing secret into the log', async () => {
    const app = await startApp(({ body, headers, response }) =>
      response.writeHead(500).end(`${body} ${String(headers['x-convene-signature'])}`),
    )
    const policy = policyOf({ url: `${app.url}?key=UrLmArKeR` }, { failures: 1 })
    await outcome(policy)
    expect(app.questions[0]?.body).toContain(CLAIM)
    expect(policy.lines).toHaveLength(1)
    expect(policy.lines.join()).not.toMatch(new RegExp(`${SECRET}|${CLAIM}|UrLmArKeR|v1=|ann|project:p1`, 'i'))
  })
})

test('[A4] what caused an error says that it was the webhook and where, and nothing secret', async () => {
  const app = await startApp()
  app.server.close()
  const { host } = new URL(app.url)
  const asked = async (url: string) => {
    const error: unknown = await Promise.resolve(policyOf({ url }).role(ANN, 'project:p1')).catch((thrown) => thrown)
    return (error as ConveneError).cause
  }
  const secret = `http://uSeR:pAsS@${host}/hook-pAtH?key=UrLmArKeR`
  expect(await asked(secret)).toBe(`the access webhook http://${host}: ECONNREFUSED`)
  const broke = await startApp(broken)
  expect(await asked(broke.url)).toMatch(/^the access webhook http:\/\/127\.0\.0\.1:\d+: expected status 200/)
})

describe('stop', () => {
  async function noConnections(app: App): Promise<void> {
    let left = await app.connections()
    await until('no connection is left', () => {
      void app.connections().then((count) => {
        left = count
      })
      return left === 0
    })
  }

  test('ends what is under way and what waits for its turn, and says nothing', async () => {
    const app = await startApp(hang)
    const policy = policyOf(app)
    // More than are asked at once.
    const asked = outcomes(policy, 300, 'hanging')
    await until('the app is asked', () => app.questions.length === 256)
    policy.stop()
    policy.stop()
    expect(await asked).toEqual(new Set([UNAVAILABLE]))
    await noConnections(app)
    expect(app.questions).toHaveLength(256)
    expect(policy.lines).toEqual([])
  })

  test('closes the connections that were kept open; nothing is answered any more', async () => {
    const app = await startApp()
    // Else it would close them itself.
    app.server.keepAliveTimeout = 0
    const policy = policyOf(app)
    await outcomes(policy, 10, 'answered')
    expect(await app.connections()).toBeGreaterThan(0)
    policy.stop()
    await noConnections(app)
    expect(await outcome(policy, 'room:answered1')).toBe(UNAVAILABLE)
    expect(await outcome(policy, 'room:new')).toBe(UNAVAILABLE)
    expect(app.questions).toHaveLength(10)
  })
})
