import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { ConveneError } from '../../protocol/errors.ts'
import { ROLES, type Role } from '../../protocol/roles.ts'
import type { Identity } from '../auth/identity.ts'
import type { Logger } from '../observe/logger.ts'
import type { AccessPolicy } from './policy.ts'
import { Breaker, Paused } from './webhook-breaker.ts'
import { type Answer, createExchange } from './webhook-exchange.ts'

export interface WebhookOptions {
  /** Asked `POST { identity, channel }`. */
  readonly url: string
  readonly secret: string
  readonly logger: Logger
  /** For one question, the reading of its answer included. */
  readonly timeoutMs?: number
  /** How long an answer is good. */
  readonly keepMs?: number
  /** So many failures in a row, and the app is left alone for a while. */
  readonly failures?: number
  /** How long it is left alone. */
  readonly pauseMs?: number
}

/** A policy whose answers come from the app. */
export interface WebhookPolicy extends AccessPolicy {
  stop(): void
}

const MAX_ANSWERS = 10_000

const answered = z.object({ role: z.union([z.enum(ROLES), z.literal('none'), z.null()]) })

/** The app is asked, signed; its answers are good for 30 s. While it fails, joins fail at once and do not hang. */
export function createWebhookPolicy(options: WebhookOptions): WebhookPolicy {
  const { url, secret, logger, timeoutMs = 2000, keepMs = 30_000, failures = 5, pauseMs = 3000 } = options
  // For the log: not the path and the query, which may hold a key.
  const name = `the access webhook ${new URL(url).origin}`
  const exchange = createExchange({ url, secret, timeoutMs })
  // By the question, which may still be on its way.
  const answers = new LRUCache<string, Promise<Role | null>>({ max: MAX_ANSWERS, ttl: keepMs })
  const breaker = new Breaker({
    failures,
    pauseMs,
    opened(error) {
      if (!stopped) logger.error({ reason: reasonOf(error) }, 'the access webhook fails; it is left alone for a while')
    },
    closed: () => logger.info('the access webhook answers again'),
  })
  let stopped = false

  function ask(identity: Identity, channel: string, since: number): Promise<Role | null> {
    const body = JSON.stringify({ identity, channel })
    // The body is the question: other claims of the same person are another one. So is one of after a change.
    const question = createHash('sha256').update(`${since} ${body}`).digest('base64url')
    const known = answers.get(question)
    if (known) return known
    const answer = breaker.run(async () => roleIn(await exchange.post(body)))
    answers.set(question, answer)
    answer.catch(() => {
      if (answers.peek(question, { allowStale: true }) === answer) answers.delete(question)
    })
    return answer
  }

  return {
    async role(identity, channel, since = 0) {
      if (stopped) throw unavailable(pauseMs)
      return ask(identity, channel, since).catch((error: unknown) => {
        throw error instanceof Paused
          ? unavailable(error.retryAfterMs)
          : unavailable(pauseMs, `${name}: ${reasonOf(error)}`)
      })
    },
    stop() {
      stopped = true
      exchange.stop()
      answers.clear()
    },
  }
}

/** @throws Error that says what is wrong with the answer, and never quotes it: an app's error page may hold anything */
function roleIn({ status, text }: Answer): Role | null {
  if (status === 401) throw new Error('got 401: the app does not believe us; is ACCESS_WEBHOOK_SECRET the same there?')
  if (isRefusal(status)) return null
  if (status !== 200) throw new Error(`expected status 200, 403 or 404, got ${status}`)
  const { success, data } = answered.safeParse(jsonOf(text))
  if (!success) throw new Error(`expected a role: ${ROLES.join(', ')}, none or null`)
  return data.role === 'none' ? null : data.role
}

/**
 * Whether a status says no to this one question, 400 to a channel that the app knows nothing of, say. Whoever asks for
 * such channels must not shut out everybody else; 408 and 429 are about the app, which is too slow or asked too much.
 */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('expected an answer in JSON')
  }
}

function unavailable(retryAfterMs: number, cause?: string): ConveneError {
  const message = 'The app that decides about access does not answer; try again'
  return new ConveneError('unavailable', message, { retryAfterMs, ...(cause !== undefined && { cause }) })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
