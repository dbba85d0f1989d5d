import { isDeepStrictEqual } from 'node:util'
import type { Conflict } from '../../src/protocol/conflict.ts'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { type Told, toldBy } from './documents.ts'

/** What one version of a document was: a value each field, `undefined` for none. Whether it is there counts as a field. */
type Version = ReadonlyMap<string, unknown>

const EXISTS = 'whether it is there'
const NOTHING: Version = new Map()

/** One write as its author meant it, and the base it was made on. */
export interface Meant {
  readonly id: string
  /** Null deletes; a number restores a layout. */
  readonly fields: ReadonlyMap<string, unknown> | number | null
  readonly baseVersion: number | undefined
}

/** Every version that documents ever had, kept apart from the server, by which it can be told what nobody may do. */
export class DocumentHistory {
  readonly #versions = new Map<string, Version[]>()
  readonly faults: string[] = []

  /** An accepted fact, in the order of the log, what was meant by it, and whether its reply said merged. */
  accepted(fact: Pick<Envelope, 'type' | 'payload'>, meant: readonly Meant[], merged: boolean): void {
    if (merged !== meant.some((write) => this.#isStale(write))) this.#fault('merged', merged, meant)
    for (const write of meant) this.#nothingUndone(write)
    for (const told of toldBy(fact)) this.#append(told)
  }

  /** A refused write: there must be a reason, and the refusal must tell it. */
  refused(meant: readonly Meant[], conflict: Conflict): void {
    const named = meant.filter(
      ({ id, baseVersion }) => id === conflict.documentId && baseVersion === conflict.baseVersion,
    )
    const write = named.find((one) => this.#overwritten(one).length > 0) ?? named[0]
    if (!write) {
      this.#fault('a conflict with what nobody wrote', conflict)
      return
    }
    const now = this.#latest(write.id)
    if (conflict.version !== this.#all(write.id).length) this.#fault('not the version', write, conflict)
    const data = new Map([...now].filter(([field]) => field !== EXISTS))
    const seen = write.id === 'layout' ? (data.get('layout') ?? {}) : Object.fromEntries(data)
    if (!isDeepStrictEqual(conflict.data, seen)) this.#fault('not the data', write, conflict)
    for (const { field, theirs } of conflict.fields) {
      if (!isDeepStrictEqual(theirs, now.get(field) ?? null)) this.#fault('not theirs', write, conflict)
    }
    // What has been deleted is remembered as a whole only.
    if (this.#all(write.id).some((version) => !version.has(EXISTS))) return
    const changed = this.#overwritten(write).filter((field) => field !== EXISTS)
    const told = conflict.fields.map(({ field }) => field)
    if (!isDeepStrictEqual(told.sort(), changed.sort())) this.#fault('not the fields', write, conflict, changed)
  }

  /** A write with a base changes no field that others changed after that base. */
  #nothingUndone(write: Meant): void {
    const overwritten = this.#overwritten(write)
    if (overwritten.length > 0) this.#fault('undone', write, overwritten)
  }

  #isStale({ id, baseVersion }: Meant): boolean {
    const asBelieved = baseVersion === 0 && !this.#latest(id).has(EXISTS)
    return baseVersion !== undefined && baseVersion < this.#all(id).length && !asBelieved
  }

  #overwritten(write: Meant): string[] {
    const { id, fields, baseVersion } = write
    const now = this.#latest(id)
    if (baseVersion === undefined || !this.#isStale(write)) return []
    const after =
      typeof fields === 'number' ? (this.#all(id)[fields - 1] ?? NOTHING) : fields ? next(now, fields) : NOTHING
    return differing(now, after).filter((field) => this.#changedAfter(id, field, baseVersion))
  }

  #changedAfter(id: string, field: string, base: number): boolean {
    const versions = this.#all(id)
    return versions.some((version, i) => i >= base && differing(versions[i - 1] ?? NOTHING, version).includes(field))
  }

  #append({ id, version, fields, whole, deleted }: Told): void {
    const versions = this.#all(id)
    if (version !== versions.length + 1) this.#fault(`version ${version} of ${id} after ${versions.length}`)
    const values = whole ? new Map([['layout', Object.fromEntries(fields)]]) : fields
    versions.push(deleted ? NOTHING : next(this.#latest(id), values))
  }

  #all(id: string): Version[] {
    const versions = this.#versions.get(id) ?? []
    this.#versions.set(id, versions)
    return versions
  }

  #latest(id: string): Version {
    return this.#all(id).at(-1) ?? NOTHING
  }

  #fault(...what: unknown[]): void {
    this.faults.push(what.map((one) => (typeof one === 'string' ? one : JSON.stringify(one, mapAsList))).join(' '))
  }
}

function next(version: Version, fields: ReadonlyMap<string, unknown>): Version {
  const values = new Map([...version, ...fields, [EXISTS, true]])
  return new Map([...values].filter(([, value]) => value !== null))
}

function differing(a: Version, b: Version): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((field) => !isDeepStrictEqual(a.get(field), b.get(field)))
}

function mapAsList(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value
}
