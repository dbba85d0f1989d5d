import type { z } from 'zod'
import type { ErrorBody, ErrorCode } from '../../protocol/errors.ts'
import type { Identity } from '../auth/identity.ts'
import type { Rate } from '../session/limits.ts'

/** Who asks: an app's server with a key, or a person with their token, who may ask only so much. */
export type Caller =
  | { readonly kind: 'service' }
  | { readonly kind: 'user'; readonly identity: Identity; readonly rate: Rate }

/** Who may ask, and what a row that says so is told of them. */
interface Callers {
  public: undefined
  key: Extract<Caller, { kind: 'service' }>
  user: Extract<Caller, { kind: 'user' }>
  'key or user': Caller
  /** A client of an older family, who may show a token in the URL, a session's cookie or, where believed, a claim [D3]. */
  'older user': Extract<Caller, { kind: 'user' }>
  'older user or nobody': Extract<Caller, { kind: 'user' }> | undefined
}
export type May = keyof Callers

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** What a row is handed: all of it parsed, but for a body that is only described. */
interface Ask<P, Q, B, C> {
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly caller: C
  /** How the caller names this server: host and port. */
  readonly host: string
}

/** An answer with another status than 200; its body goes out as it is. One of the row's `others` describes it. */
export class OtherStatus {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** Text is what a row with a `contentType` sends as it is. */
type Answer<R> = R | string | OtherStatus

/** The part of a row that needs no knowledge of its schemas. */
interface Row {
  readonly method: Method
  /** As Express reads it, `/api/v1/channels/:channel/events`. */
  readonly path: string
  /** One of its own for each row, for programs made from the document: `listEvents`. */
  readonly name: string
  /** One sentence, for the document. */
  readonly summary: string
  readonly may: May
  /** Codes that are this row's own, beside those that its method, its caller and its input bring. */
  readonly errors?: readonly ErrorCode[]
  /** Whether the reply goes out as it is; otherwise `success: true` stands before its fields. */
  readonly exact?: true
  /** Of a reply that is text, or written already. */
  readonly contentType?: string
  /** How a failure is told in the words of older callers, what came before the handler included. */
  readonly failure?: (error: ErrorBody) => OtherStatus
  /** What an `OtherStatus` carries, by status. */
  readonly others?: Readonly<Record<number, z.ZodType>>
}

/** A row of the table as its user needs it: from it come the parsing, the mounting and the document. */
export interface Route extends Row {
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  readonly describedBody?: z.ZodType
  readonly reply: z.ZodType
  handle(ask: Ask<unknown, unknown, unknown, unknown>): unknown
}

interface TypedRow<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R, M extends May> extends Row {
  readonly may: M
  /** One field for each `:name` of the path. */
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Instead of `body`, where the handler itself checks it: each part alone, say, or in the words of older callers. */
  readonly describedBody?: z.ZodType
  readonly reply: z.ZodType<R>
  handle(
    ask: Ask<z.output<P>, z.output<Q>, z.ZodType extends B ? unknown : z.output<B>, Callers[M]>,
  ): Answer<R> | Promise<Answer<R>>
}

/**
 * Writes a row; its handler is typed by its schemas.
 * @example route({ method: 'get', path: '/livez', name: 'isAlive', may: 'public', summary: 'Whether it lives.',
 *   reply: z.object({ status: z.literal('ok') }), exact: true, handle: () => ({ status: 'ok' }) })
 */
export function route<
  M extends May,
  const R,
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  B extends z.ZodType = z.ZodType,
>(row: TypedRow<P, Q, B, R, M>): Route {
  return row as Route
}
