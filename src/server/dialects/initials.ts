import { field, textOf } from './fact.ts'

/** What somebody says of themselves: of names their initials are made, of an e-mail too, which nobody else is told. */
export interface SaidOfSelf {
  readonly name?: string
  readonly initials?: string
}

const MAX_NAME_CHARS = 256
const MAX_INITIALS = 3

/** What others are shown of a `userInfo`, which may be anything. */
export function shownOf(userInfo: unknown): SaidOfSelf {
  const [firstName, lastName] = [wordOf(userInfo, 'firstName'), wordOf(userInfo, 'lastName')]
  const both = firstName && lastName ? [firstName, lastName].join(' ') : undefined
  const name = wordOf(userInfo, 'name') ?? both
  const initials = initialsOfName(both) ?? initialsOfName(name) ?? initialsOfEmail(wordOf(userInfo, 'email'))
  return { ...(name && { name: name.slice(0, MAX_NAME_CHARS) }), ...(initials && { initials }) }
}

/** The initials under which somebody is listed: those they show, else of their name, else the end of their id. */
export function initialsOf(user: { readonly id: string; readonly name?: string | undefined }, state: unknown): string {
  const shown = textOf(field(state, 'initials'))
  return upper(first(shown, MAX_INITIALS)) ?? initialsOfName(user.name) ?? [...user.id].slice(-2).join('').toUpperCase()
}

/** Of the first and the last word; one letter where there is one word. */
function initialsOfName(name: string | undefined): string | undefined {
  const words = name?.split(/\s+/).filter((word) => word !== '') ?? []
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words
  return upper(ends.map((word) => first(word, 1) ?? '').join(''))
}

function initialsOfEmail(email: string | undefined): string | undefined {
  return upper(first(email?.split('@', 1)[0], 2))
}

function wordOf(userInfo: unknown, name: string): string | undefined {
  return textOf(textOf(field(userInfo, name))?.trim())
}

/** By characters, of which one may be two units. */
function first(text: string | undefined, count: number): string | undefined {
  return (
    text &&
    Array.from(text.slice(0, 2 * count))
      .slice(0, count)
      .join('')
  )
}

function upper(text: string | undefined): string | undefined {
  return text ? text.toUpperCase() : undefined
}
