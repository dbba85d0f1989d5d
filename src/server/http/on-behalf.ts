import type { Author, FactReply } from '../../protocol/envelope.ts'
import type { Role } from '../../protocol/roles.ts'
import type { AccessPolicy } from '../access/policy.ts'
import type { Identity } from '../auth/identity.ts'
import type { ServicePublish } from './publish.ts'
import type { Caller } from './route.ts'

/** Somebody who has facts published as themselves, as far as this room knows them. */
interface Asker {
  readonly user: Author
  roleIn(channel: string): Role | null
  roleAnew(channel: string): Role | null | Promise<Role | null>
}

export interface OnBehalfOptions {
  readonly access: AccessPolicy
  readonly publish: ServicePublish
  /** Does what somebody asks for if their role allows it. */
  readonly operations: { perform(asker: Asker, operation: Fact & { channel: string }): Promise<FactReply> }
}

export interface Fact {
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly operationId?: string | undefined
}

/** Publishes as the person whose token it is, or with a key as whom the app's server says. */
export async function publishFor(
  caller: Caller,
  channel: string,
  fact: Fact,
  userId: string | undefined,
  { access, publish, operations }: OnBehalfOptions,
): Promise<FactReply> {
  if (caller.kind === 'service') return publish(channel, { ...fact, userId })
  const { identity } = caller
  const role = await access.role(identity, channel)
  const asker = { user: authorOf(identity), roleIn: () => role, roleAnew: () => access.role(identity, channel) }
  return operations.perform(asker, { ...fact, channel })
}

/** A person as others see them. */
export function authorOf({ id, name, image }: Identity): Author {
  return { id, ...(name !== undefined && { name }), ...(image !== undefined && { image }) }
}
