import { inject } from 'vitest'

/** Whether `startServer` starts two nodes, on Postgres and Redis behind nginx. */
export function onTwoNodes(): boolean {
  return inject('topology') === 'two nodes'
}
