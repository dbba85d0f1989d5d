import { ConveneError } from '../../protocol/errors.ts'
import { allows } from '../../protocol/roles.ts'
import type { AccessPolicy } from '../access/policy.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Session } from './session.ts'

/**
 * [LIFE1] Lets a session go on under a new token of the same person, and asks again what it may do where.
 * @param lost called for each channel it may no longer read
 * @throws ConveneError `forbidden` for somebody else's token; what the authenticator throws
 */
export async function refresh(
  session: Session,
  token: string,
  authenticator: Authenticator,
  access: AccessPolicy,
  lost: (channel: string) => void,
): Promise<{ expiresAt: number }> {
  const verified = await authenticator.authenticate({ token })
  if (verified.identity.id !== session.identity.id) {
    throw new ConveneError(
      'forbidden',
      "The token is another person's; a session keeps its identity, connect anew instead",
    )
  }
  session.renew(verified)
  // Those under way were let in by the old token; what comes after them asks with the new one.
  await Promise.all(session.lanes.values())
  for (const channel of session.channels) {
    const role = await access.role(verified.identity, channel)
    if (session.role(channel) === undefined) continue
    if (role && allows(role, 'read')) session.enter(channel, role)
    else lost(channel)
  }
  return { expiresAt: verified.expiresAt }
}
