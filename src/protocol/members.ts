import { z } from 'zod'
import { ROLES } from './roles.ts'

const userId = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters')

/** What a member row says: a role, or `none`, which shuts somebody out whatever the access policy says. */
export const memberRole = z.enum([...ROLES, 'none'])
export type MemberRole = z.infer<typeof memberRole>

export const member = z.object({ userId, role: memberRole })
export type Member = z.infer<typeof member>

export const memberSet = member
export const memberRemoved = z.object({ userId })
