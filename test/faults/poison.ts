import { createClient } from 'redis'
import type { Cluster } from './cluster.ts'
import type { Random } from './random.ts'

const HUGE_BYTES = 20_000_000
const A_ROUND = 50

/**
 * Somebody who can publish on Redis, and has no database: garbage on every channel that the nodes hear, what they said
 * themselves repeated, cut short, altered and on other channels, and messages of 20 MB.
 */
export async function poison({ redis, redisPrefix }: Cluster, random: Random): Promise<{ stop(): Promise<void> }> {
  const client = createClient({ url: redis.url })
  const listener = createClient({ url: redis.url })
  for (const each of [client, listener]) each.on('error', () => {})
  await Promise.all([client.connect(), listener.connect()])
  const captured: Buffer[] = []
  const channels = await channelsOn()
  const sharded = channels.filter(({ command }) => command === 'SPUBLISH').map(({ name }) => name)
  const capture = (message: Buffer) => {
    if (captured.push(message) > 200) captured.shift()
  }
  if (sharded.length > 0) await listener.sSubscribe(sharded, capture, true)
  await listener.pSubscribe(`${redisPrefix}:*`, capture, true)

  async function channelsOn(): Promise<{ name: string; command: 'SPUBLISH' | 'PUBLISH' }[]> {
    const [shardChannels, classic] = await Promise.all([
      client.sendCommand(['PUBSUB', 'SHARDCHANNELS']),
      client.sendCommand(['PUBSUB', 'CHANNELS']),
    ])
    const named = (names: unknown, command: 'SPUBLISH' | 'PUBLISH') =>
      (names as string[]).map((name) => ({ name: String(name), command }))
    // The adapter hears patterns.
    const patterns = [`${redisPrefix}:socket.io#/#`, `${redisPrefix}:socket.io-request#/#`]
    return [...named(shardChannels, 'SPUBLISH'), ...named(classic, 'PUBLISH'), ...named(patterns, 'PUBLISH')]
  }

  function garbage(): string | Buffer {
    const seen = captured.length > 0 ? random.pick(captured) : Buffer.from('n1 {}')
    const bytes = () => Buffer.from(Array.from({ length: random.between(0, 300) }, () => random.between(0, 255)))
    return random.pick<() => string | Buffer>([
      bytes,
      () => seen,
      () => seen.subarray(0, random.between(0, seen.byteLength)),
      () => Buffer.concat([seen, bytes()]),
      () => {
        const altered = Buffer.from(seen)
        altered[random.between(0, altered.byteLength - 1)] = random.between(0, 255)
        return altered
      },
      () => '',
      () => 'null',
      () => '['.repeat(random.between(1, 100_000)),
      () => `x ${'0'.repeat(64)} {"kind":"fact","channel":"project:x","fact":{"epoch":"other","seq":99999999}}`,
      () => '{"__proto__":{"a":1},"kind":"signal"}',
      () => '{"type":2,"opts":{"rooms":5}}',
    ])()
  }

  let stopped = false
  const poisoning = (async () => {
    for (const { name, command } of channels) await client.sendCommand([command, name, 'x'.repeat(HUGE_BYTES)])
    while (!stopped) {
      const round = Array.from({ length: A_ROUND }, () => {
        const { name, command } = random.pick(channels)
        return client.sendCommand([command, name, garbage()])
      })
      await Promise.allSettled(round)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })().catch(() => {})
  return {
    async stop() {
      stopped = true
      await poisoning
      for (const each of [client, listener]) each.destroy()
    },
  }
}
