import { community } from './community.ts'
import { dashboard } from './dashboard.ts'
import type { Door } from './dialect.ts'
import { tasks } from './tasks.ts'

const DOORS: readonly Door[] = [tasks, community, dashboard]

/** The door a URL leads to; undefined when it is none of these. */
export function doorOf(url: string): Door | undefined {
  const path = url.split('?', 1)[0]?.replace(/\/$/, '') ?? ''
  return DOORS.find(({ paths }) => paths.includes(path))
}
