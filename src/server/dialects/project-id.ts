import { isChannelAddress } from '../../protocol/channel.ts'

/** What a `projectId` has to be; for a sentence that begins with its name. */
export const PROJECT_ID_FORM = 'expected an id of at most 128 letters, digits and _ . @ -, like p1'

/** [D2] The address of a project; undefined when the id is none. */
export function projectAddress(projectId: unknown): string | undefined {
  if (typeof projectId !== 'string') return undefined
  const address = `project:${projectId}`
  return isChannelAddress(address) ? address : undefined
}
