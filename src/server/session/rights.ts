import { ConveneError } from '../../protocol/errors.ts'
import { allows, type Right, type Role } from '../../protocol/roles.ts'

/**
 * [FACT2] Lets somebody do what their role in a channel includes.
 * @param right null where being there is enough
 * @throws ConveneError `forbidden`
 */
export function requireRight(channel: string, role: Role | null, right: Right | null): asserts role is Role {
  if (role && (!right || allows(role, right))) return
  const has = role ? `you are ${role} there` : 'you have none there'
  throw new ConveneError('forbidden', `This needs the right to ${right ?? 'read'} in ${channel}; ${has}`)
}

/**
 * [REQ3] A member's role.
 * @throws ConveneError `not_joined`
 */
export function requireJoined(channel: string, role: Role | undefined): Role {
  if (!role) throw new ConveneError('not_joined', `Join ${channel} first, with channel:join`)
  return role
}
