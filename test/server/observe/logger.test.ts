// The log: what it writes, and what it never writes.
import { describe, expect, test } from 'vitest'
import { createLogger } from '../../../src/server/observe/logger.ts'

const MARKER = 'MaRk3r'
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl'

function capture(options: { level?: string; pretty?: boolean } = {}) {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  return { lines, log: createLogger({ level: 'info', pretty: false, serverId: 's1', ...options }, destination) }
}

describe('lines', () => {
  test('are JSON with level, time and the server', () => {
    const { lines, log } = capture()
    log.info({ channel: 'project:p1' }, 'joined')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      serverId: 's1',
      channel: 'project:p1',
      msg: 'joined',
    })
  })

  test('below the level are not written', () => {
    const { lines, log } = capture({ level: 'warn' })
    log.info('no')
    log.warn('yes')
    expect(lines).toHaveLength(1)
  })

  test('are pretty for people, at once and without colour when this is no terminal', () => {
    const { lines, log } = capture({ pretty: true })
    log.info({ channel: 'project:p1' }, 'joined')
    expect(lines.join('')).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: joined\n {4}channel: "project:p1"\n$/)
  })
})

describe('[A4] credentials are left out', () => {
  const keys = [
    'token',
    'authorization',
    'Authorization',
    'cookie',
    'set-cookie',
    'secret',
    'password',
    'apiKeys',
    'jwtSecrets',
  ]

  test.each(keys)('%s, as deep as the headers of a request', (key) => {
    for (const pretty of [false, true]) {
      const { lines, log } = capture({ pretty })
      log.info({ [key]: MARKER })
      log.info({ auth: { [key]: MARKER } })
      log.info({ req: { headers: { [key]: [MARKER] } } })
      log.child({ [key]: MARKER }).info('child')
      expect(lines.join('')).not.toContain(MARKER)
      expect(lines.join('').match(/\[redacted\]/g)).toHaveLength(4)
    }
  })

  test.each([
    `GET /ws?projectId=p1&token=${MARKER}&x=1`,
    `GET /ws?access_token=${MARKER}`,
    `Authorization: Bearer ${MARKER}.a-b_c`,
    `protocol bearer.${MARKER}`,
    `cannot connect to postgres://convene:${MARKER}@db:5432/convene`,
    `cannot connect to rediss://:${MARKER}@db`,
  ])('within a text: %s', (text) => {
    const { lines, log } = capture()
    log.info(text)
    log.info({ deep: { down: { url: text } } })
    log.error(new Error(text))
    expect(lines).toHaveLength(3)
    expect(lines.join('')).not.toContain(MARKER)
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow()
  })

  test('a token by its look, signed or encrypted', () => {
    const { lines, log } = capture()
    const encrypted = 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXYtaXYtaXY.Y2lwaGVydGV4dA.dGFn'
    log.info({ anything: { at: { all: [JWT, encrypted] } } }, `got ${JWT}`)
    expect(lines[0]).not.toMatch(/eyJ|c2lnbmF0dXJl|dGFn/)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      anything: { at: { all: ['[redacted]', '[redacted]'] } },
      msg: 'got [redacted]',
    })
  })

  test('and nothing else', () => {
    const { lines, log } = capture()
    const text = 'GET http://localhost:3001/api?after=3&limit=5 by ada@example.com: the bearer left at 10:30'
    log.info({ tokens: 3, channel: 'user:a@b' }, text)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ tokens: 3, channel: 'user:a@b' })
    expect(lines[0]).toContain('http://localhost:3001/api?after=3&limit=5 by ada@example.com')
  })

  test('[A34] in linear time', () => {
    const { lines, log } = capture()
    const started = performance.now()
    for (const unit of ['eyJ', '-eyJabcdefgh', 'bearer ', '?token=', '://a:', 'a:'])
      log.info(unit.repeat(100_000 / unit.length))
    expect(performance.now() - started).toBeLessThan(500)
    expect(lines).toHaveLength(6)
  })
})
