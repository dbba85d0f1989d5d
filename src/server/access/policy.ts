import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Identity } from '../auth/identity.ts'

/** Answers the one question of access: what may somebody do in a channel? `null`: nothing, not even know of it. */
export interface AccessPolicy {
  /** @throws ConveneError `unavailable` when the answer cannot be had */
  role(identity: Identity, channel: string): Role | null | Promise<Role | null>
  /** Lets go of what is remembered of somebody in a channel. */
  forget?(userId: string, channel: string): void
  stop?(): void
}

/** [CH3] Puts the rule of `user:` channels before a policy: its owner reads, nobody else is let in. */
export function withOwnChannel(policy: AccessPolicy): AccessPolicy {
  return {
    role(identity, channel) {
      if (kindOf(channel) !== 'user') return policy.role(identity, channel)
      return idOf(channel) === identity.id ? 'viewer' : null
    },
  }
}

/** Everybody edits everywhere. For development, and for apps that decide by what addresses they hand out. */
export const openPolicy: AccessPolicy = { role: () => 'editor' }
