// Nodes that die, are told to go, and stand still.
import { deadlyOperation, type Failpoint } from './failpoints.ts'
import type { Fault } from './fault.ts'

export const killedNode: Fault = {
  id: 'F01',
  title: 'a node is killed',
  lastsMs: 2500,
  isSeenThrough: true,
  async inject({ cluster, random }) {
    const node = random.pick(cluster.nodes)
    await node.end('SIGKILL')
    return { heal: () => node.start() }
  },
}

const WHERE: Readonly<Record<Failpoint, readonly [id: string, title: string]>> = {
  'after-commit': ['F02', 'a node is killed between the commit and telling the others'],
  'before-commit': ['F03', 'a node is killed before the commit'],
  'after-telling': ['F03', 'a node is killed after telling the others and before the reply'],
}

/** On nodes that have failpoints. */
export function killedAt(failpoint: Failpoint): Fault {
  const [id, title] = WHERE[failpoint]
  return {
    id,
    title,
    lastsMs: 2500,
    isSeenThrough: true,
    async inject({ cluster, crowd, random }) {
      const author = random.pick(crowd.members.filter(({ node, channels }) => node !== '' && channels.length > 0))
      const node = cluster.nodes.find((one) => one.id === author.node)
      if (!node) throw new Error(`there is no node ${author.node}`)
      const channel = random.pick(author.channels)
      const died = node.dies()
      // Sent again by itself, to whoever serves the author then.
      await Promise.all([died, author.publish(channel, deadlyOperation(failpoint, node.id, String(random.next())))])
      return { heal: () => node.start() }
    },
  }
}

export const rollingRestart: Fault = {
  id: 'F23',
  title: 'all nodes are restarted one after the other',
  lastsMs: 0,
  isSeenThrough: true,
  async inject({ cluster }) {
    for (const node of cluster.nodes) {
      const code = await node.end('SIGTERM')
      if (code !== 0) throw new Error(`${node.id} ended with ${code} when it was told to go`)
      await node.start()
    }
    return { heal: async () => {} }
  },
}

export const frozenNode: Fault = {
  id: 'F20',
  title: 'a node stands still',
  lastsMs: 3000,
  isSeenThrough: false,
  async inject({ cluster, random }) {
    const node = random.pick(cluster.nodes)
    node.freeze()
    return { heal: async () => node.thaw() }
  },
}

export const reloadedNginx: Fault = {
  id: 'F25',
  title: 'nginx is reloaded, and then restarted',
  lastsMs: 2500,
  isSeenThrough: true,
  async inject({ cluster }) {
    await cluster.nginx.reload()
    return { heal: () => cluster.nginx.restart() }
  },
}

export const repeatedOperations: Fault = {
  id: 'F28',
  title: 'every operation is sent again, over another node',
  lastsMs: 2500,
  isSeenThrough: true,
  sendsTwice: true,
  async inject({ crowd, random }) {
    for (let n = 0; n < 3; n++) random.pick(crowd.members).drop()
    return { heal: async () => {} }
  },
}
