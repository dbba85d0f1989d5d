import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Identity } from '../auth/identity.ts'

/** Answers the one question of access: what may somebody do in a channel? `null`: nothing, not even know of it. */
export interface AccessPolicy {
  /**
   * @param since the last place in the channel's log where it was said what somebody may do; an answer of before counts no more
   * @throws ConveneError `unavailable` when the answer cannot be had
   */
  role(identity: Identity, channel: string, since?: number): Role | null | Promise<Role | null>
  stop?(): void
}

/** [CH3] Puts the rule of `user:` channels before a policy: its owner reads, nobody else is let in. */
export function withOwnChannel(policy: AccessPolicy): AccessPolicy {
  return {
    role(identity, channel, since) {
      if (kindOf(channel) !== 'user') return policy.role(identity, channel, since)
      return idOf(channel) === identity.id ? 'viewer' : null
    },
  }
}

/** Everybody edits everywhere. For development, and for apps that decide by what addresses they hand out. */
export const openPolicy: AccessPolicy = { role: () => 'editor' }
