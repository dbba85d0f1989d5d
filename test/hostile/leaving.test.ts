import { connect as tcp } from 'node:net'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { connect, join } from '../support/connect.ts'
import { startProcess } from '../support/process-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { channel } from './room.ts'

const UPGRADE =
  'Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'

/** Peers that begin something and leave it at that. */
const RUDE = [
  `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${UPGRADE}`,
  `GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n${UPGRADE}`,
  `GET /elsewhere HTTP/1.1\r\n${UPGRADE}`,
  'POST /broadcast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  'GET /health HTTP/1.1\r\nHost: ',
  'GET /health HTTP/1.1\r\nHost: x\r\n\r\n',
  '',
]

test('[LIFE3] A27 whoever begins something and never ends it keeps no server from leaving in time, with 0', async () => {
  const server = await startProcess({ DRAIN_MS: '5000', CONNECT_TIMEOUT_MS: '60000' }, { folder: temporaryFolder() })
  for (const start of RUDE) {
    const socket = tcp(server.port, '127.0.0.1').on('error', () => {})
    cleanup(() => socket.destroy())
    socket.resume().write(start)
  }
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const asked = performance.now()
  server.kill()
  expect(await server.exited).toBe(0)
  expect(performance.now() - asked).toBeLessThan(5000)
})
