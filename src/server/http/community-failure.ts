import { z } from 'zod'
import { ERRORS, type ErrorBody } from '../../protocol/errors.ts'
import { OtherStatus } from './route.ts'

/** How the community's HTTP API says that something failed. */
export const communityFailure = z.object({
  success: z.literal(false),
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.object({ errors: z.array(z.object({ field: z.string(), message: z.string() })) }).optional(),
  }),
})

/** By status. What is not here is nobody's fault but ours. */
const CODES: Readonly<Record<number, string>> = {
  400: 'VALIDATION_ERROR',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'RATE_LIMIT_EXCEEDED',
  503: 'SERVICE_UNAVAILABLE',
}

/** Their own texts, by status. */
const TEXTS: Readonly<Record<number, string>> = {
  401: 'Authentication required',
  429: 'Too many requests. Please try again later.',
}

/** What any row of theirs may fail with, for the document. */
export const COMMUNITY_FAILURES = Object.fromEntries(
  [...Object.keys(CODES), 500].map((status) => [status, communityFailure]),
) as Readonly<Record<number, z.ZodType>>

/** A failure in the community's words. */
export function communityFailed(error: ErrorBody): OtherStatus {
  const status = ERRORS[error.code].http ?? 500
  const details = error.details && {
    errors: error.details.map(({ path, message }) => ({ field: path, message })),
  }
  const { retryAfterMs } = error
  return new OtherStatus(
    status,
    {
      success: false,
      error: {
        code: CODES[status] ?? 'INTERNAL_SERVER_ERROR',
        message: TEXTS[status] ?? error.message,
        ...(details && { details }),
      },
    },
    retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) },
  )
}
