import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SRC = fileURLToPath(new URL('../src', import.meta.url))

/** Who may import whom: a room's own files, and what is listed. docs/design.md says why. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  protocol: [],
  'server/config': ['protocol'],
  'server/observe': ['protocol'],
  'server/store': ['protocol', 'server/observe'],
  'server/cluster': ['protocol', 'server/observe'],
  'server/auth': ['protocol', 'server/observe'],
  // A change of a member is a fact, so access says what becomes of it, as the features do of theirs.
  'server/access': ['protocol', 'server/observe', 'server/auth', 'server/store', 'server/channels'],
  'server/channels': ['protocol', 'server/observe', 'server/store', 'server/cluster'],
  'server/chat': ['protocol', 'server/observe', 'server/store', 'server/channels'],
  'server/documents': ['protocol', 'server/observe', 'server/store', 'server/channels'],
  'server/signals': ['protocol', 'server/observe', 'server/store', 'server/channels', 'server/cluster'],
  'server/presence': ['protocol', 'server/observe', 'server/store', 'server/channels', 'server/cluster'],
  'server/session': ['protocol', 'server/observe', 'server/auth', 'server/access'],
  'server/dialects': ['protocol'],
  'server/transports': [
    'protocol',
    'server/observe',
    'server/auth',
    'server/session',
    'server/dialects',
    // The door of an app on its own Redis: what is known of living with Redis stands in one place.
    'server/cluster/redis-life.ts',
    'server/cluster/redis-link.ts',
    'server/cluster/redis-url.ts',
    'server/cluster/outage-log.ts',
  ],
  'server/http': [
    'protocol',
    'server/observe',
    'server/auth',
    'server/access',
    'server/store',
    'server/channels',
    'server/cluster',
    'server/presence',
    'server/session',
    'server/dialects',
  ],
  server: ['protocol', 'server/*'],
  client: ['protocol'],
  react: ['protocol', 'client'],
  cli: ['protocol', 'client', 'server/server.ts', 'server/config'],
}

function roomOf(file: string): string {
  const path = relative(SRC, file).split('/')
  return path[0] === 'server' && path.length > 2 ? `server/${path[1]}` : (path[0] as string)
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => join(SRC, file))

/** Each import of our own files, type imports included. */
function importsOf(file: string): string[] {
  const specifiers = readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)
  return Array.from(specifiers, ([, specifier]) => join(dirname(file), specifier as string))
}

test('nobody imports whom they may not', () => {
  const broken: string[] = []
  for (const file of files) {
    const room = roomOf(file)
    const allowed = MAY_IMPORT[room]
    if (!allowed) broken.push(`${relative(SRC, file)} is in no room of the table`)
    for (const target of importsOf(file)) {
      const other = roomOf(target)
      const listed = [other, relative(SRC, target)].some((name) => allowed?.includes(name))
      const wild = allowed?.includes('server/*') && other.startsWith('server/')
      if (other !== room && !listed && !wild) broken.push(`${relative(SRC, file)} imports ${relative(SRC, target)}`)
    }
  }
  expect(broken).toEqual([])
  expect(files.length).toBeGreaterThan(50)
})

test('there are no cycles, type imports included', () => {
  const graph = new Map(files.map((file) => [file, importsOf(file)]))
  const done = new Set<string>()
  const cycles: string[] = []
  function visit(file: string, path: readonly string[]): void {
    if (path.includes(file))
      cycles.push([...path.slice(path.indexOf(file)), file].map((one) => relative(SRC, one)).join(' → '))
    else if (!done.has(file)) {
      for (const target of graph.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
  }
  for (const file of files) visit(file, [])
  expect(cycles).toEqual([])
})

test('only the config room reads the environment, and the protocol nothing but zod', () => {
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const name = relative(SRC, file)
    if (roomOf(file) !== 'server/config' && roomOf(file) !== 'cli') expect(text, name).not.toContain('process.env')
    if (roomOf(file) !== 'protocol') continue
    for (const [, specifier] of text.matchAll(/from '([^.'][^']*)'/g)) expect(specifier, name).toBe('zod')
  }
})

test('no name says nothing, and no file is longer than a refactor', () => {
  for (const file of files) {
    const name = relative(SRC, file)
    expect(name).not.toMatch(/(^|\/)(types|utils?|helpers?|common|core|lib|misc|shared)(\.tsx?|\/)/)
    expect(readFileSync(file, 'utf8').split('\n').length, name).toBeLessThanOrEqual(400)
  }
})

/** The words of each feature, and where in the server they may stand beside its room: where it is put together, and its routes. */
const FEATURES: Record<string, { words: RegExp; room: string; also: readonly string[] }> = {
  chat: { words: /'message:\w+'/, room: 'server/chat', also: ['server/http/messages.ts', 'server/http/community.ts'] },
  documents: { words: /'(widget|layout):\w+'/, room: 'server/documents', also: ['server/http/documents.ts'] },
  members: { words: /'member:\w+'/, room: 'server/access', also: ['server/membership.ts'] },
  presence: { words: /'presence:\w+'/, room: 'server/presence', also: [] },
  signals: {
    words: /'(typing|cursor|signal)'/,
    room: 'server/signals',
    also: ['server/session/dispatch.ts', 'server/cluster/message.ts'],
  },
}

test('nothing of a feature is named outside its room, the event tables, its routes and the composition root', () => {
  const roots = ['server/house.ts', 'server/handlers.ts']
  for (const [feature, { words, room, also }] of Object.entries(FEATURES)) {
    const named = files.map((file) => relative(SRC, file)).filter((name) => name.startsWith('server/'))
    const saying = named.filter((name) => words.test(readFileSync(join(SRC, name), 'utf8')))
    // A dialect turns the words of others into these.
    const rooms = [`${room}/`, 'server/dialects/']
    const elsewhere = saying.filter(
      (name) => !rooms.some((prefix) => name.startsWith(prefix)) && ![...roots, ...also].includes(name),
    )
    expect(elsewhere, feature).toEqual([])
    expect(
      saying.some((name) => name.startsWith(`${room}/`)),
      feature,
    ).toBe(true)
  }
})
