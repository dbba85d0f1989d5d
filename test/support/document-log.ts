import type { KeptDocument } from '../../src/protocol/documents.ts'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { keptDocumentOf } from '../../src/server/documents/kept.ts'
import { createDocumentRules } from '../../src/server/documents/rules.ts'
import type { KeptRecord, RecordKey } from '../../src/server/store/record.ts'
import type { Request } from './document-stories.ts'

const RULES = createDocumentRules()

/** A log with the rules of documents and records in memory: what a rule is a pure function of, and nothing besides. */
export class DocumentLog {
  readonly facts: Envelope[] = []
  readonly records = new Map<string, KeptRecord>()
  readonly #channel = 'dashboard:d1'

  /** @throws what the rule throws; nothing has changed then */
  write(userId: string | null, { type, payload, baseVersion }: Request): Readonly<Record<string, unknown>> {
    const user = userId === null ? null : { id: userId }
    const rule = RULES[type]?.({ channel: this.#channel, type, payload, baseVersion, user, role: 'editor' })
    if (!rule) throw new Error(`no rule for ${type}`)
    const named = new Set(rule.reads.map(nameOf))
    const read = (key: RecordKey) => {
      if (!named.has(nameOf(key))) throw new Error(`${nameOf(key)} was read and not named`)
      return this.records.get(nameOf(key))
    }
    const place = { epoch: 'e', seq: this.facts.length + 1, timestamp: 1000 + this.facts.length }
    const decided = json(rule.decide(read, place))
    for (const write of decided.writes) {
      if (write.data === null) this.records.delete(nameOf(write))
      else this.records.set(nameOf(write), write)
    }
    const operationId = String(place.seq)
    this.facts.push({ type, channel: this.#channel, operationId, user, payload: decided.payload, ...place })
    return decided.result ?? {}
  }

  documents(): KeptDocument[] {
    return [...this.records.values()].filter(({ kind }) => kind === 'document').map(keptDocumentOf)
  }

  document(id: string): KeptDocument | undefined {
    return this.documents().find((document) => document.id === id)
  }
}

function nameOf({ scope, kind, id }: RecordKey): string {
  return `${scope} ${kind} ${id}`
}

/** As a store gives back what it was given. */
function json<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
