import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import { message } from '../../protocol/chat.ts'
import { conflict } from '../../protocol/conflict.ts'
import { keptDocument } from '../../protocol/documents.ts'
import { author, envelope, hiddenFact, operationId } from '../../protocol/envelope.ts'
import { errorBody } from '../../protocol/errors.ts'
import { member } from '../../protocol/members.ts'
import { presenceEntry } from '../../protocol/presence.ts'

export type JsonSchema = Record<string, unknown>

/** What is said once in a document, under its name, and referred to. */
const NAMES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [channelAddress, 'ChannelAddress'],
  [operationId, 'OperationId'],
  [author, 'Author'],
  [envelope, 'Envelope'],
  [hiddenFact, 'HiddenFact'],
  [errorBody, 'Error'],
  [conflict, 'Conflict'],
  [message, 'Message'],
  [keptDocument, 'Document'],
  [member, 'Member'],
  [presenceEntry, 'PresenceEntry'],
])

/** Turns schemas into JSON Schema (2020-12) for one document, which keeps the named ones. */
export class JsonSchemas {
  /** Those with a name that were met, for the document's `components`. */
  readonly named: Record<string, JsonSchema> = {}

  /** What is sent to the server. */
  input(schema: z.ZodType): JsonSchema {
    return this.#translate(schema, 'input')
  }

  /** What the server answers. */
  output(schema: z.ZodType): JsonSchema {
    return this.#translate(schema, 'output')
  }

  #translate(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    const met: Record<string, JsonSchema> = {}
    const { $schema: _, ...translated } = z.toJSONSchema(schema, {
      io,
      // Better an open field than no document.
      unrepresentable: 'any',
      override({ zodSchema, jsonSchema }) {
        tidy(zodSchema, jsonSchema)
        const name = NAMES.get(zodSchema)
        if (name === undefined) return
        met[name] = { ...jsonSchema }
        for (const key of Object.keys(jsonSchema)) delete jsonSchema[key]
        jsonSchema.$ref = `#/components/schemas/${name}`
      },
    })
    for (const [name, mine] of Object.entries(met)) {
      const before = this.named[name]
      if (before && JSON.stringify(before) !== JSON.stringify(mine)) {
        throw new Error(`The schema ${name} reads differently as ${io}; it cannot have one name`)
      }
      this.named[name] = mine
    }
    return translated
  }
}

function tidy(schema: z.core.$ZodTypes, translated: JsonSchema): void {
  // A newer server may tell more.
  if (translated.additionalProperties === false) delete translated.additionalProperties
  if (translated.maximum === Number.MAX_SAFE_INTEGER) delete translated.maximum
  if (translated.minimum === Number.MIN_SAFE_INTEGER) delete translated.minimum
  if (translated.format !== undefined) delete translated.pattern
  const said = (schema._zod.def.checks ?? []).map(wordsOf).filter((words) => words !== undefined)
  if (said.length > 0 && translated.description === undefined) translated.description = said.join('; ')
}

/** What a check expects, in its own words; all there is of one that JSON Schema has no word for. */
function wordsOf(check: z.core.$ZodCheck): string | undefined {
  const say = check._zod.def.error as ((issue: object) => unknown) | undefined
  const words = say?.({})
  return typeof words === 'string' ? words.replace(/^expected /, '').replace(/, got .*/, '') : undefined
}
