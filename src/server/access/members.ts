import { kindOf } from '../../protocol/channel.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { Member, MemberRole } from '../../protocol/members.ts'
import type { Role } from '../../protocol/roles.ts'
import type { FactRule } from '../channels/publication.ts'
import type { KeptRecord, RecordKey } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import type { AccessPolicy } from './policy.ts'

/** Who was said to be a member of which channel: rows that change by facts [FACT3], and win over every policy. */
export class Members {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async list(channel: string): Promise<Member[]> {
    const records = await this.#store.records({ scope: channel, kind: KIND })
    return records.filter(({ deleted }) => !deleted).map(memberOf)
  }

  async find(channel: string, userId: string): Promise<Member | undefined> {
    return (await this.stand(channel, userId)).member
  }

  /** As what somebody stands in the members, and since which place of the channel's log; 0 when they never did. */
  async stand(
    channel: string,
    userId: string,
  ): Promise<{ readonly member: Member | undefined; readonly since: number }> {
    const record = await this.#store.record(memberKey(channel, userId))
    return { member: memberIn(record), since: record?.seq ?? 0 }
  }
}

/** Asks the members first, and `policy` about who is none. */
export function withMembers(members: Members, policy: AccessPolicy): AccessPolicy {
  return {
    async role(identity, channel) {
      for (let { member, since } = await members.stand(channel, identity.id); ; ) {
        if (member) return roleOf(member)
        const answer = policy.role(identity, channel, since)
        if (!(answer instanceof Promise)) return answer
        const role = await answer
        // They may have been made one, or removed, while an app took its time.
        const now = await members.stand(channel, identity.id)
        if (now.since === since) return role
        ;({ member, since } = now)
      }
    },
  }
}

function roleOf({ role }: Member): Role | null {
  return role === 'none' ? null : role
}

/** What is not a member has no business here. */
export const membersOnly: AccessPolicy = { role: () => null }

/** [FACT3] A change of a member is a fact, and the row changes with it. */
export const memberRules: Readonly<Record<string, FactRule>> = {
  'member:added': (publication) =>
    change(publication, (before) => {
      if (before) throw new ConveneError('conflict', `${before.userId} is a member already; use member:changed`)
    }),
  'member:changed': (publication) => change(publication, mustBeMember),
  'member:removed': (publication) => change(publication, mustBeMember),
}

const KIND = 'member'

function change(
  { channel, payload }: Parameters<FactRule>[0],
  check: (before: Member | undefined, userId: string) => void,
): ReturnType<FactRule> {
  if (kindOf(channel) === 'user') {
    throw new ConveneError('invalid', `channel: ${channel} belongs to one person and has no members`)
  }
  const { userId, role } = payload as { userId: string; role?: MemberRole }
  const key = memberKey(channel, userId)
  return {
    reads: [key],
    decide(read, { seq }) {
      check(memberIn(read(key)), userId)
      // Whoever was removed leaves a mark, so that what was answered of them before counts no more, on any instance.
      const after = {
        ...key,
        seq,
        owner: userId,
        deleted: role === undefined,
        data: role === undefined ? {} : { role },
      }
      return { payload, writes: [after], changesStanding: true }
    },
  }
}

function mustBeMember(before: Member | undefined, userId: string): void {
  if (!before) throw new ConveneError('not_found', `${userId} is not in the members of this channel`)
}

export function memberKey(channel: string, userId: string): RecordKey {
  return { scope: channel, kind: KIND, id: userId }
}

function memberIn(record: KeptRecord | undefined): Member | undefined {
  return record && !record.deleted ? memberOf(record) : undefined
}

function memberOf({ id, data }: KeptRecord): Member {
  return { userId: id, role: data.role as MemberRole }
}
