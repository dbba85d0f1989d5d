import { ConveneError } from '../../protocol/errors.ts'
import { changedIn, type Document, dataOf, type Fields, hasValue, valueIn } from './document.ts'

/** What somebody wants to make of a document: fields to set, or null for it to be gone. */
export interface Write {
  readonly fields: Fields | null
  readonly baseVersion: number | undefined
  /** Where the write stands in the request's body, for the error that names it: empty, or ending in a dot. */
  readonly path: string
}

/**
 * Whether a write may be made although others wrote since the version it is based on.
 * @returns whether it is merged with what others wrote [DOC3]
 * @throws ConveneError `conflict` [DOC4], `invalid` when there is no such version yet
 */
export function mergesWith(document: Document, write: Write): boolean {
  const { baseVersion } = write
  if (baseVersion === undefined) return false
  if (baseVersion > document.version) throw notYet(document, baseVersion, write.path)
  const asBelieved = baseVersion === 0 && !document.exists
  if (baseVersion === document.version || asBelieved) return false

  const mine = write.fields ?? new Map(Array.from(document.fields.keys(), (field) => [field, null]))
  const fields = Array.from(mine)
    .filter(([field, value]) => changedIn(document, field) > baseVersion && !hasValue(document, field, value))
    .map(([field, value]) => ({ field, mine: value, theirs: valueIn(document, field) }))
  // To delete what is there, or to write what is not, changes whether it is there: that too may have changed since.
  const turnsItself = (write.fields === null) === document.exists
  if (fields.length === 0 && !(turnsItself && document.since > baseVersion)) return true

  const { id, version, exists } = document
  const what = exists ? 'others have since changed what it would write' : 'it was deleted since'
  throw new ConveneError(
    'conflict',
    `${id} is at version ${version}, this write is based on version ${baseVersion}, and ${what}: see conflict, and write again with baseVersion ${version} once it is settled`,
    {
      conflict: {
        documentId: id,
        baseVersion,
        version,
        fields,
        data: dataOf(document),
        ...(!exists && { deleted: true }),
      },
    },
  )
}

function notYet({ id, version }: Document, baseVersion: number, path: string): ConveneError {
  const latest = version === 0 ? `0, since there is no ${id} yet` : `at most ${version}, the version of ${id}`
  const message = `expected ${latest}, got ${baseVersion}; give the version that a list or a reply named`
  return new ConveneError('invalid', `${path}baseVersion: ${message}`, {
    details: [{ path: `${path}baseVersion`, message }],
  })
}
