import type { KeptRecord, ReadRecord, RecordKey, RecordWrite } from './record.ts'

/** The records of one transaction: as they were read, with what has been written on top, to be stored at its end. */
export class PendingRecords {
  readonly #records = new Map<string, KeptRecord | undefined>()
  readonly #written = new Map<string, RecordWrite>()

  constructor(wanted: readonly RecordKey[], found: readonly KeptRecord[]) {
    for (const key of wanted) this.#records.set(nameOf(key), undefined)
    for (const record of found) this.#records.set(nameOf(record), record)
  }

  /** @throws Error when it was not asked for: a rule has to name what it reads */
  readonly read: ReadRecord = (key) => {
    const name = nameOf(key)
    if (!this.#records.has(name)) throw new Error(`A rule reads a record that it did not name: ${name}`)
    return this.#records.get(name)
  }

  /** Whether it was asked for, or has been written. */
  knows(key: RecordKey): boolean {
    return this.#records.has(nameOf(key))
  }

  write(writes: readonly RecordWrite[]): void {
    for (const write of writes) {
      const name = nameOf(write)
      this.#records.set(name, isKept(write) ? write : undefined)
      this.#written.set(name, write)
    }
  }

  /** Each record once, as it is to be in the end. */
  changes(): { readonly kept: KeptRecord[]; readonly gone: RecordKey[] } {
    const kept: KeptRecord[] = []
    const gone: RecordKey[] = []
    for (const write of this.#written.values()) {
      if (isKept(write)) kept.push(write)
      else gone.push(write)
    }
    return { kept, gone }
  }
}

function isKept(write: RecordWrite): write is KeptRecord {
  return write.data !== null
}

function nameOf({ scope, kind, id }: RecordKey): string {
  return JSON.stringify([scope, kind, id])
}
