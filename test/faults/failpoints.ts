import type { Splice } from './altered-build.ts'

/** Where a node may die on a fact. */
export type Failpoint = 'before-commit' | 'after-commit' | 'after-telling'

/** An operation at whose failpoint a node dies, and no other one: whoever has it sent again is served elsewhere. */
export function deadlyOperation(at: Failpoint, node: string, name: string): string {
  return `die-${at}-${node}-${name}`
}

function isDeadly(at: Failpoint, operationId: string): string {
  return `${operationId}?.startsWith('die-${at}-' + process.env.SERVER_ID + '-')`
}
const DEATH = `process.kill(process.pid, 'SIGKILL')`

/** A statement that ends the process where a batch is about to be committed. */
export const DIE_BEFORE_COMMIT = `if (batch.some((work) => ${isDeadly('before-commit', 'work.draft?.operationId')})) ${DEATH};`

/** Failpoints that wait for an operation of their own. */
export const FAILPOINTS: readonly Splice[] = [
  {
    file: 'server/store/postgres-commit.js',
    find: `await db.query('commit');`,
    replace: `${DIE_BEFORE_COMMIT} await db.query('commit');`,
  },
  {
    file: 'server/channels/channels.js',
    find: 'this.#live.stored({',
    replace: `if (${isDeadly('after-commit', 'operationId')}) ${DEATH};
            this.#live.stored({`,
  },
  {
    file: 'server/channels/channels.js',
    find: 'return reply;',
    // What was told is on its way to Redis when the turn ends.
    replace: `if (${isDeadly('after-telling', 'operationId')}) { await new Promise((r) => setTimeout(r, 50)); ${DEATH} }
            return reply;`,
  },
]
