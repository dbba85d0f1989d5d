import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { ConveneError, catalogued, ERRORS, type ErrorCode } from '../../protocol/errors.ts'
import type { Logger } from '../observe/logger.ts'

// body-parser says what was wrong by a word of its own.
const BODY_ERRORS: Record<string, { code: ErrorCode; message: string }> = {
  'entity.parse.failed': { code: 'invalid', message: 'The body is not a JSON object' },
  'entity.too.large': { code: 'too_large', message: 'The body is over 100 kB' },
  'encoding.unsupported': { code: 'invalid', message: 'The body has a content encoding that is not supported' },
  'charset.unsupported': { code: 'invalid', message: 'The body has a charset that is not supported; use UTF-8' },
}

/** Answers an error of the catalogue: `{ success: false, error: { code, message, … } }`. */
export function sendError(response: Response, error: ConveneError): void {
  const body = error.toBody()
  if (body.retryAfterMs !== undefined) response.set('Retry-After', String(Math.ceil(body.retryAfterMs / 1000)))
  response.status(ERRORS[error.code].http ?? 500).json({ success: false, error: body })
}

export const notFound: RequestHandler = (request) => {
  throw new ConveneError('not_found', `There is no ${request.method} ${request.path.slice(0, 200)}`)
}

/** [API3] Every error as JSON, in the catalogue's words; the cause of an unknown one is only logged. */
export function errorHandler(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    if (response.headersSent) {
      next(thrown)
      return
    }
    sendError(response, errorOf(thrown, logger, request.method))
  }
}

/** Whatever was thrown, as a caller is told of it. */
export function errorOf(thrown: unknown, logger: Logger, method: string): ConveneError {
  if (thrown instanceof ConveneError) return toldOf(thrown, logger, method)
  const { type, status } = (thrown ?? {}) as { type?: string; status?: number }
  const known = type === undefined ? undefined : BODY_ERRORS[type]
  if (known) return new ConveneError(known.code, known.message)
  // Express says with a status that the request itself was wrong, a broken percent-encoding say.
  if (status !== undefined && status >= 400 && status < 500) {
    return new ConveneError('invalid', 'The request could not be read')
  }
  return toldOf(thrown, logger, method)
}

/** What a caller is told of what a handler has thrown; what they are not told is logged. */
export function toldOf(thrown: unknown, logger: Logger, method: string): ConveneError {
  const error = catalogued(thrown)
  // Without a cause nobody was asked; why not was logged when that began.
  if (error.code === 'unavailable' && error.cause !== undefined) logger.error({ err: error.cause }, error.message)
  if (error.code === 'internal') logger.error({ err: error.cause, method }, 'an HTTP request failed')
  return error
}
