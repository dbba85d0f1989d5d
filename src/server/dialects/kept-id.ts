import { createHash, randomBytes } from 'node:crypto'
import { MAX_OPERATION_ID_LENGTH } from '../../protocol/limits.ts'

/** Whose words a fact was published in, as its operationId remembers it: of a client of `/ws`, or of `/broadcast`. */
export type Origin = 'ws' | 'http'

const KEPT = /^(.*)~(ws|http)\.[\w-]{16}$/s
const MARK_LENGTH = '~http.'.length + 16

/**
 * [D5] The operationId under which a fact of an older family is kept. These clients make theirs from a clock, so the
 * author and the body belong to it: another body under the same id is another fact, the same one is a repetition. And it
 * remembers that the fact came in their words, and which id they gave, if any.
 * @param body what makes the fact the one it is
 */
export function keptId(origin: Origin, given: string | undefined, body: unknown): string {
  const mark = given === undefined ? randomBytes(12).toString('base64url') : digest([given, body])
  return `${fitting(given ?? '')}~${origin}.${mark}`
}

/** What an operationId remembers: in whose words its fact came, and the id that was given. */
export function givenId(kept: string): { readonly origin?: Origin; readonly given?: string } {
  const [, given, origin] = KEPT.exec(kept) ?? []
  if (given === undefined) return { given: kept }
  return { origin: origin as Origin, ...(given !== '' && { given }) }
}

/** The operationId that older clients are told: the one given; `broadcast-<ms>` for what came over HTTP without one. */
export function toldId({ operationId, timestamp }: { operationId: string; timestamp: number }): string | undefined {
  const { origin, given } = givenId(operationId)
  return given ?? (origin === 'http' ? `broadcast-${timestamp}` : undefined)
}

/** As much of an id as can be kept beside the mark, which still tells it from others. */
function fitting(given: string): string {
  const clean = given.replace(/[\p{Cc}\p{Cs}]/gu, '')
  const room = MAX_OPERATION_ID_LENGTH - MARK_LENGTH
  // A character may be two units, and half of one cannot be kept.
  return clean.length <= room ? clean : [...clean].slice(0, room / 2).join('')
}

function digest(body: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(body) ?? '')
    .digest()
    .subarray(0, 12)
    .toString('base64url')
}
