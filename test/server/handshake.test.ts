import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ConveneError } from '../../src/protocol/errors.ts'
import { Revocations } from '../../src/server/access/revocations.ts'
import { createLogger } from '../../src/server/observe/logger.ts'
import { createMetrics } from '../../src/server/observe/metrics.ts'
import { Sessions } from '../../src/server/session/sessions.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
import { createAdmission } from '../../src/server/transports/admission.ts'
import { attachSocketIo } from '../../src/server/transports/socketio.ts'
import { cleanup } from '../support/cleanup.ts'
import { clientOf, TRANSPORTS } from '../support/connect.ts'
import { oneInstance } from '../support/one-instance.ts'

test.each(TRANSPORTS)(
  '[LIFE2] a session that is closed for good while it is prepared does not connect: %s',
  async (transport) => {
    const metrics = createMetrics('test')
    cleanup(() => metrics.stop())
    const http = createServer()
    const limits = { factsPerSecond: 50, signalsPerSecond: 50, maxChannels: 100 }
    const sessions = new Sessions({ limits, maxConnectionsPerUser: 5, ended() {} })
    const io = attachSocketIo(http, {
      allowedOrigins: ['*'],
      trustProxy: 0,
      transports: TRANSPORTS,
      pingIntervalMs: 20_000,
      pingTimeoutMs: 20_000,
      connectTimeoutMs: 5000,
      maxMessageBytes: 65_536,
      maxOutboundBytes: 2 ** 20,
      admission: createAdmission(1_000_000),
      logger: createLogger({ level: 'silent', pretty: false, serverId: 'test' }),
      metrics,
      authenticate: async () => ({ identity: { id: 'ann', claims: {} }, expiresAt: Date.now() + 60_000 }),
      open: (connection, verified) => sessions.open(connection, verified),
      async prepare(session) {
        await turn()
        // As when its user is revoked just after that was looked up.
        session.close(new ConveneError('revoked', 'Access was revoked; sign in again'))
        await turn()
      },
      ready: async () => {},
      serve: async () => {},
      close: (session, clean) => sessions.close(session, clean),
    })
    cleanup(() => io.close())
    await new Promise<void>((resolve) => http.listen(0, resolve))
    const { port } = http.address() as AddressInfo
    const socket = clientOf(`http://127.0.0.1:${port}`, { transport, token: 'any' })
    const outcome = new Promise<string>((resolve) => {
      socket.on('connect', () => resolve('connected'))
      socket.on('connect_error', () => resolve('refused'))
      socket.io.on('close', () => resolve('closed'))
    })
    socket.connect()
    expect(await outcome).not.toBe('connected')
  },
)

test('[LIFE2] a token whose iat has a fraction, issued in the second of the revocation, is refused as well', async () => {
  const retention = { facts: 100, days: 7 }
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention })
  cleanup(() => store.close())
  const revocations = new Revocations(store, oneInstance(store).control)
  let iat: number
  do {
    iat = Math.floor(Date.now() / 1000) + 0.001
    await revocations.revokeUser('ann', undefined)
  } while (Math.floor(Date.now() / 1000) !== Math.floor(iat))
  await expect(revocations.check({ id: 'ann', claims: { iat } })).rejects.toMatchObject({ code: 'revoked' })
})
