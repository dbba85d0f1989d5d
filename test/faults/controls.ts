// Builds that break a promise: the checker has to find out, or it proves nothing.
import type { Splice } from './altered-build.ts'
import type { Damage } from './evidence.ts'
import { DIE_BEFORE_COMMIT } from './failpoints.ts'
import type { Fault } from './fault.ts'
import { killedAt, repeatedOperations } from './node-faults.ts'
import { deafNode, killedRedis, slowRedis } from './redis-faults.ts'

export interface Control {
  readonly title: string
  readonly splices: readonly Splice[]
  /** What brings it to light, on nodes with these options. The build as it is passes the same. */
  readonly fault: Fault
  readonly env?: Readonly<Record<string, string>>
  /** What has to be found, any of them. */
  readonly finds: readonly Damage[]
}

const LATE_MS = 200
const DEATH = killedAt('before-commit')

/** The outcomes of a batch are there before it is committed, or the node has died instead. */
const EARLY_OUTCOMES: readonly Splice[] = [
  {
    file: 'server/store/postgres-commit.js',
    find: `await db.query('commit');`,
    replace: `db.late = new Promise((r) => setTimeout(r, ${LATE_MS}))
            .then(() => { ${DIE_BEFORE_COMMIT} return db.query('commit'); }).catch(() => {});`,
  },
  {
    file: 'server/store/postgres-commit.js',
    find: 'db.release();',
    replace: 'void Promise.resolve(db.late).then(() => db.release());',
  },
]

export const CONTROLS: readonly Control[] = [
  { title: 'a reply before the commit', splices: EARLY_OUTCOMES, fault: DEATH, finds: ['lost'] },
  {
    title: 'telling everybody before the commit, and the reply after it',
    splices: [
      ...EARLY_OUTCOMES,
      {
        file: 'server/channels/channels.js',
        find: 'return reply;',
        replace: `await new Promise((r) => setTimeout(r, ${2 * LATE_MS})); return reply;`,
      },
    ],
    fault: DEATH,
    finds: ['ghost', 'reordered'],
  },
  {
    title: 'no comparing of heads',
    splices: [
      { file: 'server/channels/feeds.js', find: 'if (options.store.shared)', replace: 'if (options.store.never)' },
    ],
    fault: killedRedis(1500),
    finds: ['lost'],
  },
  {
    title: 'no repair when the way to the others is back',
    splices: [{ file: 'server/house.js', find: 'void feeds.check();', replace: '' }],
    fault: deafNode,
    // Then nothing else finds it in time.
    env: { HEAD_CHECK_MS: '60000' },
    finds: ['lost'],
  },
  {
    title: 'no dropping of repeats in a feed',
    splices: [
      {
        file: 'server/channels/feed.js',
        find: `if (fact.seq <= this.#position)
                return;`,
        replace: `if (fact.seq <= this.#position)
                return this.#listener.next(fact);`,
      },
      {
        file: 'server/channels/channel.js',
        find: `if (fact.seq <= (member.position ?? 0))
        return undefined;`,
        replace: '',
      },
    ],
    fault: slowRedis,
    env: { HEAD_CHECK_MS: '200' },
    finds: ['doubled'],
  },
  {
    title: 'no looking for a repeat in the store',
    splices: [{ file: 'server/store/batch.js', find: 'if (before)', replace: 'if (false)' }],
    fault: repeatedOperations,
    finds: ['doubled'],
  },
  {
    title: 'delivery to whoever has been removed',
    splices: [
      {
        file: 'server/membership.js',
        find: 'takeEffect = ({ channel, payload }) => {',
        replace: 'takeEffect = ({ channel, payload }) => { return;',
      },
    ],
    fault: killedRedis(1500),
    finds: ['leaked'],
  },
]
