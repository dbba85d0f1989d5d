import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { OPTIONS } from '../../src/server/config/options.ts'
import type { ServerOptions } from '../../src/server/server.ts'
import { cleanup } from '../support/cleanup.ts'
import { type Client, clientOf, connect, expectReply, TRANSPORTS } from '../support/connect.ts'
import { type Nginx, type NginxOptions, startNginx } from '../support/nginx.ts'
import { startNode, type TestNode } from '../support/start-node.ts'
import { SECRET } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const KEY = 'a-key-of-the-app-server-0123456789'

async function startBehind(
  count: number,
  nginxOptions: Partial<NginxOptions> = {},
  options: ServerOptions = {},
): Promise<{ nginx: Nginx; nodes: TestNode[] }> {
  const nginx: { stop?: () => Promise<void> } = {}
  cleanup(() => nginx.stop?.())
  const nodes: TestNode[] = []
  for (let i = 0; i < count; i++) {
    const given = {
      jwtSecrets: [SECRET],
      apiKeys: [KEY],
      logLevel: 'silent',
      presenceGraceMs: 100,
      ...options,
    } as const
    nodes.push(
      await startNode({ port: 0, databaseUrl: 'sqlite::memory:', trustProxy: 1, serverId: `node-${i}`, ...given }),
    )
  }
  const started = await startNginx({ ports: nodes.map(({ port }) => port), ...nginxOptions })
  nginx.stop = started.stop
  return { nginx: started, nodes }
}

/** A backend that hangs up on whatever it is asked, and remembers what that was. */
async function startHangingUp(asked: string[]): Promise<number> {
  const server = createServer((request: IncomingMessage) => {
    asked.push(request.method ?? '')
    request.resume().on('end', () => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanup(() => server.close())
  return (server.address() as AddressInfo).port
}

const nodesOf = (clients: readonly Client[]) => clients.map(({ connected }) => connected.serverId)

describe('nginx/nginx.conf', () => {
  test.each(TRANSPORTS)('keeps every client at a node, and uses several, over %s', async (transport) => {
    const { nginx } = await startBehind(3)
    const clients: Client[] = []
    for (let third = 0; third < 6; third++) {
      const client = await connect(nginx, `p${third}`, { transport, localAddress: `127.0.${third}.1` })
      // A poll and a post each: one that came to another node would end the connection.
      for (let n = 0; n < 5; n++) await expectReply(client, 'ping', {})
      clients.push(client)
    }
    expect(clients.every(({ socket }) => socket.connected)).toBe(true)
    expect(new Set(nodesOf(clients)).size).toBeGreaterThan(1)
    const again = await connect(nginx, 'p0', { transport, localAddress: '127.0.0.9' })
    expect(again.connected.serverId).toBe(clients[0]?.connected.serverId)
  })

  test('tells the node the address of the client, and lets nobody forge one', async () => {
    const { nginx } = await startBehind(1, {}, { rateConnectionsPerMinute: 1 })
    await connect(nginx, 'ann', { localAddress: '127.0.0.1' })
    const forged = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9', 'x-real-ip': '203.0.113.9' }
    const again = connect(nginx, 'ann', { localAddress: '127.0.0.1', extraHeaders: forged })
    await expect(again).rejects.toThrow('Too many connections')
    await connect(nginx, 'ben', { localAddress: '127.0.0.2' })
  })

  test('gives the clients of a node that is gone to another one', async () => {
    const { nginx, nodes } = await startBehind(2)
    const ann = await connect(nginx, 'ann', { localAddress: '127.0.0.1' })
    const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
    const [mine, other] = nodes[0]?.server.options.serverId === ann.connected.serverId ? nodes : [...nodes].reverse()
    await mine?.server.close()
    await gone
    const again = await connect(nginx, 'ann', { localAddress: '127.0.0.1' })
    expect(again.connected.serverId).toBe(other?.server.options.serverId)
  })

  test('never sends a POST to a second node, but asks one when a GET was not answered', async () => {
    const asked: string[] = []
    const nginx = await startNginx({ ports: [await startHangingUp(asked), await startHangingUp(asked)] })
    cleanup(nginx.stop)
    const post = await fetch(`${nginx.url}/broadcast`, { method: 'POST', body: '{}' })
    expect([post.status, asked]).toEqual([502, ['POST']])
    await fetch(`${nginx.url}/health`)
    expect(asked).toEqual(['POST', 'GET', 'GET'])
  })

  test('keeps WebSockets over a reload', async () => {
    const { nginx } = await startBehind(2)
    const ann = await connect(nginx, 'ann')
    const ended: string[] = []
    ann.socket.on('disconnect', (reason) => ended.push(reason))
    await nginx.reload()
    const ben = await connect(nginx, 'ben', { transport: 'polling' })
    for (const client of [ann, ben]) await expectReply(client, 'ping', {})
    expect(ended).toEqual([])
  })

  test('writes no key, token or query into a log, also when no node is there', async () => {
    const { nginx, nodes } = await startBehind(1)
    const token = tokenFor('ann')
    const ann = await connect(nginx, 'ann', { token, query: { token } })
    const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
    const body = JSON.stringify({ type: 'task:update', projectId: 'p1', payload: {} })
    async function ask(path: string): Promise<number> {
      const headers = { 'content-type': 'application/json', referer: `https://app.example.com/?token=${token}` }
      return (await fetch(nginx.url + path, { method: 'POST', headers, body })).status
    }
    const paths = [`/k/${KEY}/broadcast`, `//k/${KEY}/broadcast`, `/K/${KEY}/broadcast`, `/broadcast?token=${token}`]
    expect(await ask(paths[0] as string)).toBe(200)
    for (const path of paths) await ask(path)
    await nodes[0]?.server.close()
    await gone
    for (const path of paths) expect(await ask(path)).toBe(502)
    // What is under way when it stops is logged as well.
    await nginx.restart()
    const logs = nginx.logs()
    expect(logs).toContain('"path":"/k/-","status":"200"')
    expect(logs).toContain('"path":"/broadcast","status":"502"')
    expect(logs).toContain('"path":"/socket.io/","status":"101"')
    expect(logs).not.toContain(KEY)
    expect(logs).not.toContain(token.slice(-20))
    expect(logs).not.toContain('token=')
  })

  test('shows nobody the metrics', async () => {
    const { nginx, nodes } = await startBehind(1)
    const headers = { authorization: `Bearer ${KEY}` }
    expect((await fetch(`${nodes[0]?.url}/metrics`, { headers })).status).toBe(200)
    for (const path of [
      '/metrics',
      '/METRICS',
      '/metrics/',
      '//metrics',
      '/./metrics',
      `/k/${KEY}/metrics`,
      '/metric%73',
    ]) {
      expect([path, (await fetch(nginx.url + path, { headers })).status]).toEqual([path, 404])
    }
    expect((await fetch(`${nginx.url}/stats`, { headers })).status).toBe(200)
  })

  test('waits longer for a node than a heartbeat may take, and takes the largest message', () => {
    const text = readFileSync('nginx/convene/http.conf', 'utf8')
    const seconds = (name: string) => Number(new RegExp(`^${name} (\\d+)s;$`, 'm').exec(text)?.[1])
    const heartbeat = { mode: 'production' } as const
    const [interval, timeout] = [OPTIONS.pingIntervalMs, OPTIONS.pingTimeoutMs].map((row) =>
      row.default(heartbeat as never),
    )
    for (const name of ['proxy_read_timeout', 'proxy_send_timeout', 'send_timeout']) {
      expect(seconds(name) * 1000).toBeGreaterThan((interval as number) + (timeout as number))
    }
    const largest = Number(/^client_max_body_size (\d+)m;$/m.exec(text)?.[1]) * 2 ** 20
    expect(largest).toBeGreaterThanOrEqual(4 * OPTIONS.maxMessageBytes.default(heartbeat as never))
  })
})

describe('nginx/nginx-tls.conf', () => {
  test.each(TRANSPORTS)('serves clients over TLS with %s, and sends plain HTTP there', async (transport) => {
    const { nginx } = await startBehind(2, { tls: true })
    const ca = nginx.certificate as string
    const ann = await connect(nginx, 'ann', { transport, ca })
    await expectReply(ann, 'ping', {})
    expect(nginx.url).toMatch(/^https:/)
    // The other side is who the certificate says, and no other is taken.
    const stranger = clientOf(nginx.url, { transport, token: tokenFor('ben') })
    const refused = new Promise((resolve) => stranger.once('connect_error', resolve))
    stranger.connect()
    await refused
    const plain = await fetch(`${nginx.plainUrl}/broadcast?a=b`, { method: 'POST', redirect: 'manual' })
    expect([plain.status, plain.headers.get('location')]).toEqual([308, 'https://localhost/broadcast?a=b'])
    const version = await new Promise((resolve, reject) => {
      const request = httpsRequest(`${nginx.url}/livez`, { ca, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })
      request.once('response', resolve).once('error', reject).end()
    }).catch((error: Error) => error.message)
    expect(String(version)).toMatch(/alert|protocol|version/i)
  })
})

describe('nginx/nginx-websocket.conf', () => {
  test('spreads the connections of one address evenly', async () => {
    const { nginx, nodes } = await startBehind(3, { sticky: false }, { transports: ['websocket'] })
    const clients: Client[] = []
    for (let n = 0; n < 6; n++) clients.push(await connect(nginx, `p${n}`, { localAddress: '127.0.0.1' }))
    const counts = nodes.map(({ server }) => nodesOf(clients).filter((id) => id === server.options.serverId).length)
    expect(counts).toEqual([2, 2, 2])
  })
})
