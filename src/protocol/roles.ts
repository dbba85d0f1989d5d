/** Roles from the least to the most; each includes the former. */
export const ROLES = ['viewer', 'commenter', 'editor', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** What a request may need. */
export const RIGHTS = ['read', 'signal', 'comment', 'edit', 'admin'] as const
export type Right = (typeof RIGHTS)[number]

const LEAST_ROLE: Record<Right, Role> = {
  read: 'viewer',
  signal: 'viewer',
  comment: 'commenter',
  edit: 'editor',
  admin: 'admin',
}

/** [FACT2] Whether a role includes a right. */
export function allows(role: Role, right: Right): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(LEAST_ROLE[right])
}

/** Whether a value names a role. */
export function isRole(value: unknown): value is Role {
  return (ROLES as readonly unknown[]).includes(value)
}
