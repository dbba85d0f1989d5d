import { idOf, kindOf } from '../../protocol/channel.ts'
import { isOwnDashboard, ownDashboard } from '../../protocol/own-dashboard.ts'
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

/** [D2] Puts the rule of people's own dashboards before a policy: their owner edits there; others the policy knows of. */
export function withOwnDashboard(policy: AccessPolicy): AccessPolicy {
  return {
    role(identity, channel, since) {
      return isOwnDashboard(channel) && channel === ownDashboard(identity.id)
        ? 'editor'
        : policy.role(identity, channel, since)
    },
  }
}

/**
 * Everybody edits everywhere but in other people's own dashboards. For development, and for apps that decide by what
 * addresses they hand out: that of an own dashboard can be guessed.
 */
export const openPolicy: AccessPolicy = {
  role: (_identity, channel) => (isOwnDashboard(channel) ? null : 'editor'),
}
