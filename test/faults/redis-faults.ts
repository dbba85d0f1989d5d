// Redis away, frozen, deaf, emptied, and full of garbage.
import type { Fault, Injected, Scene } from './fault.ts'
import { poison } from './poison.ts'

const DEGRADED = { status: 200, says: /^degraded redis=degraded$/ }

function redisFault(title: string, id: string, lastsMs: number, inject: Fault['inject']): Fault {
  return { id, title: `Redis ${title}`, lastsMs, isSeenThrough: true, inject }
}

/** `lastsMs`: how long it is away. */
export function killedRedis(lastsMs: number): Fault {
  return redisFault('is killed, and started again', 'F04', lastsMs, async ({ cluster: { redis, nodes } }) => {
    await redis.kill9()
    return { heal: () => redis.restart(), says: { nodes, ...DEGRADED } }
  })
}

export const frozenRedis = redisFault('is frozen', 'F05', 5000, async ({ cluster: { redis, nodes } }) => {
  redis.freeze()
  return { heal: async () => redis.thaw(), says: { nodes, ...DEGRADED } }
})

export const cutSubscribers = redisFault('loses its subscribers every second', 'F06', 4500, ({ cluster: { redis } }) =>
  every(1000, async () => {
    // In the classic and in the sharded sense.
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  }),
)

export const slowSubscribers = redisFault('has no room for its subscribers', 'F06', 3000, async ({ cluster }) => {
  const { redis } = cluster
  await redis.cli('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 16kb 8kb 1')
  const flood = await every(50, async () => {
    await redis.cli('EVAL', "for i = 1, 20 do redis.call('PUBLISH', KEYS[1], string.rep('x', 100000)) end", '1', 'x')
  })
  return {
    async heal() {
      await flood.heal()
      await redis.cli('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60')
    },
  }
})

export const flushedRedis = redisFault(
  'loses all it has, again and again',
  'F07',
  2500,
  async ({ cluster: { redis } }) => {
    const flushing = await every(300, async () => {
      await redis.cli('FLUSHALL')
    })
    return {
      async heal() {
        await flushing.heal()
        await redis.restart()
      },
    }
  },
)

export const poisonedRedis = redisFault('is full of garbage', 'F10', 3000, async ({ cluster, random }: Scene) => {
  const poisoning = await poison(cluster, random)
  return { heal: () => poisoning.stop() }
})

/** One of the nodes is cut off from Redis, and is not told. */
export const partedFromRedis = redisFault('cannot be reached by one node', 'F16', 5000, async ({ cluster, random }) => {
  const node = random.pick(cluster.nodes)
  // Both ways, or one: then it is heard and does not hear, or the other way round.
  node.redis.freeze(random.pick([undefined, 'up', 'down'] as const))
  return {
    async heal() {
      node.redis.thaw()
    },
    says: { nodes: [node], ...DEGRADED },
  }
})

/** Does something again and again until it is healed; what fails meanwhile has failed. */
async function every(ms: number, act: () => Promise<void>): Promise<Injected> {
  let stopped = false
  const acting = (async () => {
    while (!stopped) {
      await act().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, ms))
    }
  })()
  return {
    async heal() {
      stopped = true
      await acting
    },
  }
}

/** One of the nodes hears and says nothing, knows it, and nothing is published afterwards that would show what it missed. */
export const deafNode: Fault = {
  ...redisFault('is not there for one node', 'F16', 1500, async ({ cluster: { nodes }, random }) => {
    const { redis } = random.pick(nodes)
    redis.refuse()
    redis.reset()
    return { heal: async () => redis.allow() }
  }),
  isSeenThrough: false,
  endsQuiet: true,
}

/** What goes through Redis comes later than what is found in the store. */
export const slowRedis = redisFault('is slow for one node', 'F16', 2500, async ({ cluster: { nodes }, random }) => {
  const { redis } = random.pick(nodes)
  redis.delay(500)
  return { heal: async () => redis.delay(0) }
})
