// A table of options read row by row, every problem collected.
import { inspect } from 'node:util'
import { type Kind, type Mode, Unfit } from './kinds.ts'

/** What a default may depend on. */
export interface Surroundings {
  readonly mode: Mode
  /** Whether the environment names it. */
  isSet(environmentName: string): boolean
}

/** One option. Methods, not properties, so that rows of every type fit one table. */
export interface Row<T> {
  /** The environment name. */
  readonly env: string
  /** Other environment names; the first that is set wins. */
  readonly aliases?: readonly string[]
  /** The value out of several environment names, when neither `env` nor an alias is set. */
  compose?(environment: NodeJS.ProcessEnv): Found | undefined
  parse(given: unknown): T
  default(at: Surroundings): T
  /** The default as documents show it. */
  readonly shown: string
  readonly meaning: string
  /** Never printed. */
  readonly secret?: true
  readonly production?: {
    /** For the documents: what is refused. */
    readonly rule: string
    /** For a value that is refused, the sentence that says what would do. */
    refuse(value: T, isSet: boolean): string | undefined
  }
}

/** A value and the name under which it was found. */
export interface Found {
  readonly name: string
  readonly value: unknown
}

export type Table = Readonly<Record<string, Row<unknown>>>
export type Values<T extends Table> = { readonly [K in keyof T]: T[K] extends Row<infer V> ? V : never }

export interface Reading<T extends Table> {
  readonly values: Values<T>
  readonly problems: readonly string[]
  /** Keys whose value could not be used; their default stands in. */
  readonly unread: ReadonlySet<string>
}

/** A value for a message: in one line, short, without the password of an address. */
function show(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 1, breakLength: Infinity })
  const safe = text.replace(/:\/\/[^/\s@]*@/g, '://***@')
  return safe.length > 120 ? `${safe.slice(0, 119)}…` : safe
}

function problem(row: Row<unknown>, found: Found | undefined, whatWouldDo: string): string {
  if (found === undefined) return `${row.env} is not set: ${whatWouldDo}`
  return row.secret ? `${found.name}: ${whatWouldDo}` : `${found.name} is ${show(found.value)}: ${whatWouldDo}`
}

type Parsed = { value: unknown } | { refusal: string }

function parse(kind: Kind<unknown>, given: unknown): Parsed {
  try {
    return { value: kind(given) }
  } catch (error) {
    if (error instanceof Unfit) return { refusal: error.message }
    throw error
  }
}

/** Parses what `find` finds, row by row. */
export function readRows<T extends Table>(
  table: T,
  find: (key: string, row: Row<unknown>) => Found | undefined,
  at: Surroundings,
): Reading<T> {
  const values: Record<string, unknown> = {}
  const problems: string[] = []
  const unread = new Set<string>()
  for (const [key, row] of Object.entries(table)) {
    const standard = row.default(at)
    values[key] = standard
    const found = find(key, row)
    const parsed = found === undefined ? { value: standard } : parse((given) => row.parse(given), found.value)
    if ('refusal' in parsed) unread.add(key)
    else values[key] = parsed.value
    const refused =
      at.mode === 'production' && 'value' in parsed && row.production?.refuse(parsed.value, found !== undefined)
    if (refused) problems.push(problem(row, found, refused))
    else if ('refusal' in parsed) problems.push(problem(row, found, parsed.refusal))
  }
  // Each value came from its own row's parse or default, which is what Values says.
  return { values: Object.freeze(values) as Values<T>, problems, unread }
}
