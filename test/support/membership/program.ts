import fc from 'fast-check'

export const CHANNELS = ['project:p1', 'room:r1'] as const
/** Whose sessions there are; the first is the admin's, whom nobody removes. */
export const SEATS = ['root', 'ann', 'ann', 'ben', 'ben', 'cid'] as const
export const PEOPLE = ['ann', 'ben', 'cid'] as const

const JOINS_FROM = ['now', 'since', 'last'] as const
const ROLES = ['viewer', 'commenter', 'editor', 'admin', 'none'] as const
/** How often each is done, beside the others. */
const DOES = {
  join: 6,
  leave: 1,
  reconnect: 1,
  update: 6,
  sync: 2,
  say: 2,
  edit: 1,
  write: 3,
  signal: 2,
  history: 3,
  messages: 2,
  documents: 2,
  refresh: 1,
  add: 3,
  change: 2,
  remove: 4,
} as const

/** One thing that somebody does; what it does not need, it does not look at. */
const deed = fc.record({
  does: fc.oneof(
    ...Object.entries(DOES).map(([does, weight]) => ({ weight, arbitrary: fc.constant(does as keyof typeof DOES) })),
  ),
  seat: fc.nat(SEATS.length - 1),
  channel: fc.constantFrom(...CHANNELS),
  from: fc.constantFrom(...JOINS_FROM),
  /** Which one of several. */
  n: fc.nat(3),
  someone: fc.constantFrom(...PEOPLE),
  role: fc.constantFrom(...ROLES),
  /** Whether the app's server does it, and not the admin. */
  byServer: fc.boolean(),
  after: fc.constantFrom('at once', 'at once', 'at once', 'a turn', 'a moment'),
})
export type Deed = typeof deed extends fc.Arbitrary<infer D> ? D : never
export type Pause = Deed['after'] | 'the answers'

/** Deeds that begin together, or a little later than the last one, and what is waited for then. */
const burst = fc.record({
  deeds: fc.array(deed, { minLength: 1, maxLength: 12 }),
  next: fc.constantFrom('at once', 'a turn', 'a moment', 'the answers'),
})

/** Bursts of deeds; nobody waits for an answer unless it says so. */
export const program = fc.array(burst, { minLength: 4, maxLength: 14 })
export type Program = typeof program extends fc.Arbitrary<infer P> ? P : never
