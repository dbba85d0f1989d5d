import { z } from 'zod'
import { ERRORS, type ErrorCode, errorBody } from '../../protocol/errors.ts'
import type { JsonSchema, JsonSchemas } from './json-schema.ts'
import type { May, Route } from './route.ts'

/** What a caller may be refused with before its row is asked. */
const CALLER_ERRORS: Record<May, readonly ErrorCode[]> = {
  public: [],
  key: ['unauthenticated'],
  user: ['unauthenticated', 'token_expired', 'revoked', 'rate_limited', 'unavailable'],
  'older user': ['unauthenticated', 'token_expired', 'revoked', 'rate_limited', 'unavailable'],
  'older user or nobody': [],
  'key or user': ['unauthenticated', 'token_expired', 'revoked', 'rate_limited', 'unavailable'],
}

const RETRY_AFTER = {
  'Retry-After': { description: 's, where the error has retryAfterMs.', schema: { type: 'integer' } },
}

/** What may come back, for an OpenAPI document: it keeps each kind of refusal once. */
export class Responses {
  /** The refusals that were met, for the document's `components`. */
  readonly named: Record<string, JsonSchema> = {}
  readonly #schemas: JsonSchemas

  constructor(schemas: JsonSchemas) {
    this.#schemas = schemas
  }

  /** By status: the reply, what else the row may say, and every refusal. */
  of(route: Route): Record<string, JsonSchema> {
    const { reply, exact, contentType, others = {} } = route
    const schema = this.#schemas.output(exact || contentType ? reply : withMark(reply, 'success'))
    const content = contentType ? { [mediaType(contentType)]: { schema } } : json(schema)
    const responses: Record<string, JsonSchema> = { 200: { description: 'Done.', content } }
    // Where failures are told in other words, `others` has them.
    const refusals = route.failure ? new Map<number, ErrorCode[]>() : byStatus(errorsOf(route))
    for (const [status, codes] of refusals) responses[status] = this.#refusal(status, codes)
    for (const [status, other] of Object.entries(others)) {
      const described = this.#schemas.output(other)
      const codes = refusals.get(Number(status))
      const either = codes ? { anyOf: [this.#errorSchema(codes), described] } : described
      responses[status] = { description: ['The body says why', ...(codes ?? [])].join(', '), content: json(either) }
    }
    return responses
  }

  #refusal(status: number, codes: readonly ErrorCode[]): JsonSchema {
    const name = codes.join('-or-')
    this.named[name] ??= {
      description: codes.join(', '),
      ...((status === 429 || status === 503) && { headers: RETRY_AFTER }),
      content: json(this.#errorSchema(codes)),
    }
    return { $ref: `#/components/responses/${name}` }
  }

  /** An error's body whose code is one of these. */
  #errorSchema(codes: readonly ErrorCode[]): JsonSchema {
    return {
      type: 'object',
      properties: {
        success: { type: 'boolean', const: false },
        error: { allOf: [this.#schemas.output(errorBody), { properties: { code: { enum: codes } } }] },
      },
      required: ['success', 'error'],
    }
  }
}

function errorsOf({ method, may, params, query, body, errors = [] }: Route): Set<ErrorCode> {
  const asks: readonly ErrorCode[] = params || query || body ? ['invalid'] : []
  const writes: readonly ErrorCode[] = method === 'get' ? [] : ['invalid', 'too_large', 'draining']
  return new Set([...CALLER_ERRORS[may], ...asks, ...writes, ...errors, 'internal'])
}

function byStatus(codes: Iterable<ErrorCode>): Map<number, ErrorCode[]> {
  const statuses = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const status = ERRORS[code].http ?? ERRORS.internal.http
    statuses.set(status, [...(statuses.get(status) ?? []), code])
  }
  return statuses
}

/** A reply's schema with what says that all went well before its fields. */
export function withMark(reply: z.ZodType, mark: 'success' | 'ok'): z.ZodType {
  const marked = z.object({ [mark]: z.literal(true) })
  return reply instanceof z.ZodObject ? marked.extend(reply.shape) : z.intersection(marked, reply)
}

export function json(schema: JsonSchema) {
  return { 'application/json': { schema } }
}

/** Without its parameters. */
function mediaType(contentType: string): string {
  return contentType.split(';')[0] ?? contentType
}
