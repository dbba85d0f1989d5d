// Postgres away, restarted, and out of reach.
import type { Fault, Scene } from './fault.ts'

const AWAY = { status: 503, says: /^unavailable/ }

function storeFault(title: string, id: string, lastsMs: number, inject: Fault['inject']): Fault {
  return { id, title, lastsMs, isSeenThrough: false, inject }
}

export const killedPostgres = storeFault(
  'Postgres is killed, and started again',
  'F11',
  2000,
  async ({ cluster: { postgres, nodes } }) => {
    await postgres.kill9()
    return { heal: () => postgres.restart(), says: { nodes, ...AWAY } }
  },
)

export const restartedPostgres = storeFault('Postgres is restarted', 'F11', 0, async ({ cluster: { postgres } }) => {
  await postgres.restart()
  return { heal: async () => {} }
})

export const terminatedConnections = storeFault(
  'Postgres ends all connections again and again',
  'F11',
  0,
  async ({ cluster: { postgres } }) => {
    for (let n = 0; n < 8; n++) {
      await postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'convene'")
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    return { heal: async () => {} }
  },
)

/** One node does not reach Postgres; `freeze` does not tell it, `refuse` does. */
export const partedFromPostgres = storeFault(
  'one node does not reach Postgres',
  'F16',
  4000,
  async ({ cluster, random }: Scene) => {
    const node = random.pick(cluster.nodes)
    const isTold = random.next() < 0.5
    if (isTold) {
      node.postgres.refuse()
      node.postgres.reset()
    } else {
      node.postgres.freeze()
    }
    return {
      async heal() {
        node.postgres.allow()
        node.postgres.thaw()
      },
      says: { nodes: [node], ...AWAY },
    }
  },
)

/** Between clients and nginx: cut, silent, or broken off in the middle of a message. */
export const partedClients: Fault = {
  id: 'F16',
  title: 'clients are cut off from nginx',
  // Longer than a member waits for an answer.
  lastsMs: 3500,
  isSeenThrough: false,
  async inject({ cluster: { front }, random }) {
    const how = random.pick(['reset', 'freeze', 'break'] as const)
    if (how === 'reset') {
      front.refuse()
      front.reset()
    } else if (how === 'freeze') {
      front.freeze(random.pick([undefined, 'up', 'down'] as const))
    } else {
      front.cutAfter(random.between(2000, 20_000))
    }
    return {
      async heal() {
        front.allow()
        front.thaw()
        front.cutAfter(undefined)
      },
    }
  },
}
