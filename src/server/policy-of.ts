import { claimsPolicy } from './access/claims.ts'
import { membersOnly } from './access/members.ts'
import { type AccessPolicy, openPolicy } from './access/policy.ts'
import { createWebhookPolicy } from './access/webhook.ts'
import type { Options } from './config/config.ts'
import type { Logger } from './observe/logger.ts'

/** Who may do what where no member row says it. */
export function policyOf(options: Options, logger: Logger): AccessPolicy {
  const { access, accessWebhookUrl: url, accessWebhookSecret: secret } = options
  if (access === 'claims') return claimsPolicy
  if (access === 'members') return membersOnly
  if (access === 'webhook' && url && secret) return createWebhookPolicy({ url, secret, logger })
  return openPolicy
}
