import { z } from 'zod'
import { type Conflict, conflict } from './conflict.ts'

/** One row a code: its HTTP status, its plain WebSocket close code, and whether trying again can help. */
export const ERRORS = {
  unauthenticated: { http: 401, close: 4500, retryable: false },
  token_expired: { http: 401, close: 4000, retryable: true },
  forbidden: { http: 403, close: 4503, retryable: false },
  origin_not_allowed: { http: 403, close: 4504, retryable: false },
  revoked: { http: 403, close: 4501, retryable: false },
  not_found: { http: 404, close: null, retryable: false },
  not_joined: { http: 409, close: null, retryable: false },
  invalid: { http: 400, close: 4502, retryable: false },
  unknown_event: { http: 400, close: null, retryable: false },
  too_large: { http: 413, close: 4509, retryable: false },
  operation_mismatch: { http: 409, close: null, retryable: false },
  conflict: { http: 409, close: null, retryable: false },
  rate_limited: { http: 429, close: 4008, retryable: true },
  too_many: { http: 429, close: 4009, retryable: true },
  slow_consumer: { http: null, close: 4010, retryable: true },
  draining: { http: 503, close: 4001, retryable: true },
  unavailable: { http: 503, close: null, retryable: true },
  internal: { http: 500, close: 4002, retryable: true },
} as const satisfies Record<string, { http: number | null; close: number | null; retryable: boolean }>

export type ErrorCode = keyof typeof ERRORS

const errorDetail = z.object({ path: z.string(), message: z.string() })
/** One thing that is wrong with a body, and where: `{ path: 'payload.content', message }`. */
export type ErrorDetail = z.infer<typeof errorDetail>

/** An error as it travels. */
export const errorBody = z.object({
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().optional(),
  details: z.array(errorDetail).optional(),
  conflict: conflict.optional(),
})
export type ErrorBody = z.infer<typeof errorBody>

/** An error of the catalogue. Whatever else is thrown is told as `internal`, its cause only logged. */
export class ConveneError extends Error {
  override readonly name = 'ConveneError'
  readonly code: ErrorCode
  readonly details: ErrorDetail[] | undefined
  readonly retryAfterMs: number | undefined
  readonly conflict: Conflict | undefined

  constructor(
    code: ErrorCode,
    message: string,
    more: { details?: ErrorDetail[]; retryAfterMs?: number; conflict?: Conflict; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.details = more.details
    this.retryAfterMs = more.retryAfterMs
    this.conflict = more.conflict
  }

  /** What the client is told; the cause stays here. */
  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      retryable: ERRORS[this.code].retryable,
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.details && { details: this.details }),
      ...(this.conflict && { conflict: this.conflict }),
    }
  }
}

/** Whatever was thrown as an error of the catalogue: one of ours as it is, anything else as `internal`, its cause inside. */
export function catalogued(thrown: unknown): ConveneError {
  if (thrown instanceof ConveneError) return thrown
  return new ConveneError('internal', 'Something went wrong here; it was logged. Try again', { cause: thrown })
}

const PLAIN: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  undefined: 'nothing',
}

/** Zod's words in ours: `Invalid input: expected record, received undefined` is `expected an object, got nothing`. */
function plain(message: string): string {
  return message
    .replace(/^(?:Invalid input|Invalid option|Too small|Too big): (?=expected )/, '')
    .replace(/^expected (\w+), received (\w+)$/, (_all, expected: string, received: string) => {
      return `expected ${PLAIN[expected] ?? expected}, got ${PLAIN[received] ?? received}`
    })
}

/** A field that is not read would be a change that is not made. */
function unknownField(path: readonly PropertyKey[]): ErrorDetail {
  return { path: pathOf(path), message: 'there is no such field here; is it misspelt, or does it stand elsewhere?' }
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

/**
 * Checks a body against its schema.
 * @throws ConveneError `invalid`, naming each wrong field in `details` and the first in `message`.
 */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown, name: string): z.output<S> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const details = result.error.issues.slice(0, 10).map((issue) => {
    if (issue.code === 'unrecognized_keys') return unknownField([...issue.path, issue.keys[0] ?? ''])
    return { path: pathOf(issue.path), message: plain(issue.message) }
  })
  const first = details[0] ?? { path: '', message: 'does not match' }
  throw new ConveneError('invalid', `${name}: ${first.path ? `${first.path}: ` : ''}${first.message}`, { details })
}
