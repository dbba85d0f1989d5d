import { ConveneError, catalogued } from '../../protocol/errors.ts'
import { allows } from '../../protocol/roles.ts'
import type { AccessPolicy } from '../access/policy.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Identity } from '../auth/identity.ts'
import type { Session } from './session.ts'

/**
 * [LIFE1] Lets a session go on under a new token of the same person, and asks again what it may do where.
 * @param check whether the new token counts at all
 * @param lost called for each channel it may no longer read
 * @throws ConveneError `forbidden` for somebody else's token; what the authenticator throws
 */
export async function refresh(
  session: Session,
  token: string,
  authenticator: Authenticator,
  access: AccessPolicy,
  check: (identity: Identity) => Promise<void>,
  lost: (channel: string) => void,
): Promise<{ expiresAt: number }> {
  const verified = await authenticator.authenticate({ token })
  if (verified.identity.id !== session.identity.id) {
    throw new ConveneError(
      'forbidden',
      "The token is another person's; a session keeps its identity, connect anew instead",
    )
  }
  await check(verified.identity)
  session.renew(verified)
  // Revoked between the two, nobody would have found the session by this token.
  await check(verified.identity).catch((error: unknown) => {
    session.close(catalogued(error))
    throw error
  })
  // Those under way were let in by the old token; what comes after them asks with the new one.
  await Promise.all(session.lanes.values())
  // All of them, before the first that could not be answered makes the client try again.
  const asked = await Promise.allSettled(
    session.channels.map(async (channel) => {
      const standing = session.standing(channel)
      const role = await access.role(verified.identity, channel)
      // Left, removed, or given another role meanwhile: that is newer.
      if (session.standing(channel) !== standing) return
      if (role && allows(role, 'read')) session.enter(channel, role)
      else lost(channel)
    }),
  )
  for (const answer of asked) if (answer.status === 'rejected') throw answer.reason
  return { expiresAt: verified.expiresAt }
}
