import { expect, test } from 'vitest'
import { ConveneError } from '../../../src/protocol/errors.ts'
import {
  jsonBytes,
  LAYOUTS_KEPT,
  MAX_DOCUMENT_BYTES,
  MAX_DOCUMENT_FIELDS,
  MAX_DOCUMENTS_BYTES,
} from '../../../src/protocol/limits.ts'
import { REMOVED_KEPT } from '../../../src/server/documents/document.ts'
import { DELETED_KEPT } from '../../../src/server/documents/ledger.ts'
import { createDocumentRules } from '../../../src/server/documents/rules.ts'
import { DocumentLog } from '../../support/document-log.ts'
import type { Request } from '../../support/document-stories.ts'

function update(widgetId: string, data: object, baseVersion?: number): Request {
  return { type: 'widget:update', payload: { widgetId, data }, ...(baseVersion !== undefined && { baseVersion }) }
}

function remove(widgetId: string, baseVersion?: number): Request {
  return { type: 'widget:delete', payload: { widgetId }, ...(baseVersion !== undefined && { baseVersion }) }
}

function batch(...operations: Request[]): Request {
  return { type: 'widget:batch', payload: { operations } }
}

function layout(layout: object, baseVersion?: number): Request {
  return { type: 'layout:update', payload: { layout }, ...(baseVersion !== undefined && { baseVersion }) }
}

/** Writes what is to be refused: nothing may have changed. */
function refusal(log: DocumentLog, request: Request): ConveneError {
  const before = JSON.stringify([...log.records])
  let error: unknown
  try {
    log.write('ann', request)
  } catch (thrown) {
    error = thrown
  }
  if (!(error instanceof ConveneError)) throw error ?? new Error(`was granted: ${JSON.stringify(request)}`)
  expect(JSON.stringify([...log.records])).toBe(before)
  return error
}

test('[DOC4] a base that is not reached yet is invalid, and the error names it', () => {
  const log = new DocumentLog()
  log.write('ann', update('w', { a: 1 }))
  const error = refusal(log, update('w', { a: 2 }, 2))
  expect(error).toMatchObject({ code: 'invalid', details: [{ path: 'baseVersion' }] })
  expect(error.message).toMatch(/at most 1, the version of widget:w, got 2/)
  expect(refusal(log, update('new', {}, 1))).toMatchObject({ code: 'invalid' })
  expect(refusal(log, layout({}, 1))).toMatchObject({ code: 'invalid', details: [{ path: 'baseVersion' }] })
  const second = batch(update('w', { a: 2 }, 1), update('w', { a: 3 }, 2))
  expect(refusal(log, second)).toMatchObject({ details: [{ path: 'payload.operations.1.baseVersion' }] })
})

test('[DOC4] base 0 says that there is no such document', () => {
  const log = new DocumentLog()
  expect(log.write('ann', update('w', { a: 1 }, 0))).toEqual({ version: 1 })
  expect(log.write('ben', update('w', { b: 1 }, 0))).toEqual({ version: 2, merged: true })
  expect(refusal(log, update('w', { a: 2 }, 0)).conflict).toEqual({
    documentId: 'widget:w',
    baseVersion: 0,
    version: 2,
    fields: [{ field: 'a', mine: 2, theirs: 1 }],
    data: { a: 1, b: 1 },
  })
  log.write('ann', remove('w'))
  expect(log.write('ben', update('w', { c: 1 }, 0))).toEqual({ version: 4 })
})

test('[DOC4] a field that was written with the value it had did not change, one that came back did', () => {
  const log = new DocumentLog()
  log.write('ann', update('w', { a: { x: 1, y: [2] }, b: 1 }))
  log.write('ann', update('w', { a: { y: [2], x: 1 } }))
  expect(log.write('ben', update('w', { a: 2 }, 1))).toEqual({ version: 3, merged: true })
  log.write('ann', update('w', { b: 2 }))
  log.write('ann', update('w', { b: 1 }))
  expect(refusal(log, update('w', { b: 3 }, 3))).toMatchObject({ code: 'conflict' })
  expect(log.write('ben', update('w', { b: 1 }, 3))).toEqual({ version: 6, merged: true })
})

test('[DOC4] what was deleted since stands against every write on an older base, and stands for itself', () => {
  const log = new DocumentLog()
  log.write('ann', update('w', { a: 1 }))
  log.write('ann', remove('w'))
  const conflict = { documentId: 'widget:w', baseVersion: 1, version: 2, data: {}, deleted: true }
  const fields = [{ field: 'a', mine: 2, theirs: null }]
  expect(refusal(log, update('w', { a: 2, b: null }, 1)).conflict).toEqual({ ...conflict, fields })
  // Even one that sets nothing: it would bring the widget back.
  expect(refusal(log, update('w', { b: null }, 1)).conflict).toEqual({ ...conflict, fields: [] })
  expect(refusal(log, remove('w', 1)).code).toBe('not_found')
  expect(log.write('ben', update('w', { b: 1 }, 2))).toEqual({ version: 3 })
  // Whoever wrote before the deletion does not know what became of any field.
  expect(refusal(log, update('w', { a: 2 }, 1)).conflict).toMatchObject({ version: 3, fields, data: { b: 1 } })
  expect(log.write('ben', update('w', { a: 2 }, 2))).toEqual({ version: 4, merged: true })
  expect(refusal(log, remove('w', 2)).conflict).toMatchObject({ fields: [{ mine: null }, { mine: null }] })
})

test('[DOC4] a deletion stands against nothing that was there before, and not against a field that is gone', () => {
  const log = new DocumentLog()
  log.write('ann', update('w', { a: 1, b: 1 }))
  log.write('ann', update('w', { b: null }))
  expect(log.write('ben', remove('w', 1))).toEqual({ version: 3, merged: true })
  log.write('ann', update('w', {}))
  expect(refusal(log, remove('w', 2)).conflict).toMatchObject({ version: 4, fields: [], data: {} })
})

test('[DOC1] a batch is all or nothing, applies in order, and conflicts only with others', () => {
  const log = new DocumentLog()
  log.write('ann', update('w', { a: 1 }))
  const many = batch(update('w', { a: 2 }, 1), update('w', { a: 3 }, 1), remove('w', 1), update('w', { b: 1 }, 1))
  expect(log.write('ann', many)).toEqual({ versions: [2, 3, 4, 5] })
  expect(log.document('widget:w')).toMatchObject({ data: { b: 1 }, version: 5 })
  log.write('ben', update('w', { b: 2 }))
  expect(refusal(log, batch(update('v', { a: 1 }), update('w', { b: 3 }, 5))).conflict?.documentId).toBe('widget:w')
  expect(refusal(log, batch(update('v', { a: 1 }), remove('v'), remove('v'))).code).toBe('not_found')
  expect(log.document('widget:v')).toBeUndefined()
  expect(log.write('ann', batch(update('v', {}), update('w', { c: 1 }, 5)))).toEqual({ versions: [1, 7], merged: true })
})

test('field names of any kind are only names', () => {
  const log = new DocumentLog()
  const data = JSON.parse(
    '{"__proto__": {"x": 1}, "constructor": 1, "toString": 2, "hasOwnProperty": 3, "": 4, "1": 5}',
  )
  log.write('ann', update('w', data))
  expect(JSON.stringify(log.document('widget:w')?.data)).toContain('"__proto__":{"x":1}')
  expect(Object.keys(log.document('widget:w')?.data ?? {}).sort()).toEqual(Object.keys(data).sort())
  log.write('ann', update('w', JSON.parse('{"__proto__": {"x": 2}}')))
  const mine = JSON.parse('{"__proto__": {"x": 3}, "valueOf": 1}')
  expect(refusal(log, update('w', mine, 1)).conflict?.fields).toEqual([
    { field: '__proto__', mine: { x: 3 }, theirs: { x: 2 } },
  ])
  log.write('ann', update('w', JSON.parse('{"__proto__": null, "constructor": null}')))
  expect(Object.keys(log.document('widget:w')?.data ?? {}).sort()).toEqual(['', '1', 'hasOwnProperty', 'toString'])
  expect(log.write('ann', update('__proto__', {}))).toEqual({ version: 1 })
  log.write('ann', remove('__proto__'))
  expect(log.write('ann', update('__proto__', {}))).toEqual({ version: 3 })
})

test('what is written is taken as JSON has it', () => {
  const log = new DocumentLog()
  log.write(null, update('w', { at: new Date(0), gone: undefined, zero: -0, huge: Number.POSITIVE_INFINITY }))
  const document = { data: { at: '1970-01-01T00:00:00.000Z', zero: 0 }, version: 1, updatedBy: null, updatedAt: 1000 }
  expect(log.document('widget:w')).toEqual({ id: 'widget:w', ...document })
  expect(log.facts[0]?.payload.data).toEqual({ ...document.data, huge: null })
  log.write('ann', update('w', { a: 1 }))
  expect(log.write('ann', update('w', { zero: -0, at: new Date(0) }, 1))).toMatchObject({ merged: true })
  expect(refusal(log, update('w', { big: 1n })).code).toBe('invalid')
})

test(`a document remembers its ${REMOVED_KEPT} newest removed fields, and mistrusts older bases about all others`, () => {
  const log = new DocumentLog()
  log.write('ann', update('w', { keep: 1 }))
  for (let i = 0; i <= REMOVED_KEPT; i++)
    log.write('ann', batch(update('w', { [`f${i}`]: i }), update('w', { [`f${i}`]: null })))
  const version = log.document('widget:w')?.version as number
  // f0 was removed in version 3, and that is forgotten.
  for (const field of ['f0', 'never']) {
    expect(refusal(log, update('w', { [field]: 1 }, 2)).conflict?.fields).toEqual([{ field, mine: 1, theirs: null }])
  }
  expect(refusal(log, update('w', { f1: 1 }, 4))).toMatchObject({ code: 'conflict' })
  expect(log.write('ann', update('w', { keep: 2, never: 1, f0: null }, 3))).toMatchObject({ merged: true })
  expect(refusal(log, update('w', { f200: 1 }, version - 1))).toMatchObject({ code: 'conflict' })

  for (let i = 0; i < 20; i++) {
    const long = `${i}`.padEnd(5000, 'x')
    log.write('ann', batch(update('w', { [long]: i }), update('w', { [long]: null })))
  }
  expect(jsonBytes([...log.records.values()])).toBeLessThan(15_000)
})

test(`a version is never used again, for the ${DELETED_KEPT} newest deleted documents nor for older ones`, () => {
  const log = new DocumentLog()
  const ids = Array.from({ length: DELETED_KEPT + 1 }, (_, i) => `w${i}`)
  for (const id of ids) log.write('ann', batch(update(id, { a: 1 }), update(id, { a: 2 }), remove(id)))
  log.write('ann', update('w1', {}))
  expect(log.document('widget:w1')?.version).toBe(4)
  // w0 is among what is forgotten, with whatever else never was.
  const { conflict } = refusal(log, update('w0', { a: 3 }, 2))
  expect(conflict).toMatchObject({
    version: 3,
    fields: [{ field: 'a', mine: 3, theirs: null }],
    data: {},
    deleted: true,
  })
  expect(log.write('ann', update('w0', { a: 3 }, conflict?.version))).toEqual({ version: 4 })
  expect(log.write('ann', update('new', {}))).toEqual({ version: 4 })
  expect(log.write('ann', layout({}))).toEqual({ version: 1 })
  expect([...log.records.keys()].filter((key) => key.includes('document widget')).length).toBe(3)
})

test(`the documents of a channel take ${MAX_DOCUMENTS_BYTES} bytes at most, and less is always allowed`, () => {
  const log = new DocumentLog()
  const listed = () => jsonBytes(log.documents())
  const text = 'é'.repeat(30_000)
  let widgets = 0
  for (; widgets < 8; widgets++) log.write('ann', update(`w${widgets}`, { text, small: 1 }))
  const tooLarge = { code: 'too_large', message: expect.stringContaining(String(MAX_DOCUMENTS_BYTES)) }
  expect(refusal(log, update('w8', { text, small: 1 }))).toMatchObject(tooLarge)
  // To the byte: the list has one bracket more than the documents have commas.
  const room = MAX_DOCUMENTS_BYTES - listed() + 1
  log.write('ann', update('w0', { text: `${text}${'x'.repeat(room - 2)}` }))
  expect(listed()).toBe(MAX_DOCUMENTS_BYTES - 1)
  expect(refusal(log, update('w0', { more: 1 })).code).toBe('too_large')
  expect(refusal(log, layout({})).code).toBe('too_large')
  expect(refusal(log, batch(update('w1', { small: null }), update('w2', { more: 'more' }))).code).toBe('too_large')
  log.write('ann', batch(update('w1', { more: 'more' }), update('w1', { text: null })))
  log.write('ben', layout({ columns: 3 }))
  for (let i = 0; i < widgets; i++) log.write('ann', remove(`w${i}`))
  expect(log.documents()).toEqual([expect.objectContaining({ id: 'layout', data: { columns: 3 } })])
  const ledger = [...log.records].find(([, { kind }]) => kind === 'documents')
  if (!ledger) throw new Error('there is no ledger')
  const [name, record] = ledger
  expect(record.data.bytes).toBe(listed() - 1)

  // As if more had been allowed once.
  log.records.set(name, { ...record, data: { ...record.data, bytes: MAX_DOCUMENTS_BYTES + 1000 } })
  expect(refusal(log, layout({ columns: 30 })).code).toBe('too_large')
  log.write('ben', layout({}))
})

test(`a document takes ${MAX_DOCUMENT_BYTES} bytes at most, and less is always allowed`, () => {
  const log = new DocumentLog()
  const text = 'x'.repeat(60_000)
  log.write('ann', update('w', { a: text, b: text }))
  const error = { code: 'too_large', message: expect.stringContaining(`widget:w would take`) }
  expect(refusal(log, update('w', { c: text }))).toMatchObject(error)
  expect(refusal(log, layout({ text: 'x'.repeat(MAX_DOCUMENT_BYTES) })).code).toBe('too_large')
  log.write('ann', update('w', { c: 1, a: null }))
})

test(`a document has ${MAX_DOCUMENT_FIELDS} fields at most, and fewer are always allowed`, () => {
  const log = new DocumentLog()
  const fields = (first: number, count: number, value: unknown = 1) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${first + i}`, value]))
  const full = fields(0, MAX_DOCUMENT_FIELDS)
  const tooMany = { code: 'too_large', message: expect.stringContaining(`${MAX_DOCUMENT_FIELDS + 1} fields`) }

  expect(refusal(log, update('w', fields(0, MAX_DOCUMENT_FIELDS + 1)))).toMatchObject(tooMany)
  log.write('ann', update('w', full))
  expect(refusal(log, update('w', { more: 1 }))).toMatchObject(tooMany)
  expect(refusal(log, batch(update('w', { more: 1 }), update('v', {})))).toMatchObject(tooMany)
  log.write('ann', update('w', { f0: 2 }))
  // What counts is what the fact leaves.
  log.write('ann', batch(update('w', { more: 1 }), update('w', { f0: null })))
  log.write('ann', batch(update('w', { another: 1 }), remove('w'), update('w', { a: 1 })))

  expect(refusal(log, layout({ ...full, more: 1 }))).toMatchObject(tooMany)
  log.write('ann', layout({ ...full, f0: full }))
  expect(refusal(log, layout({ ...full, more: 1 }))).toMatchObject(tooMany)

  // As if more had been allowed once.
  for (const [name, record] of log.records) {
    if (record.kind === 'document')
      log.records.set(name, { ...record, data: { ...record.data, data: fields(0, 1100) } })
  }
  for (const grown of [update('w', { more: 1 }), layout(fields(0, 1101))]) {
    expect(refusal(log, grown)).toMatchObject({ code: 'too_large', message: expect.stringContaining('1101 fields') })
  }
  log.write('ann', update('w', { f0: null }))
  log.write('ann', layout(fields(0, 1099)))
})

test('what one reply may bring bounds all documents together, and each of them', () => {
  const rule = createDocumentRules({ maxBytes: 2000 })['widget:update']
  const write = (text: string) => {
    const publication = { channel: 'dashboard:d1', type: 'widget:update', payload: { widgetId: 'w', data: { text } } }
    const place = { epoch: 'e', seq: 1, timestamp: 1000 }
    return rule?.({ ...publication, user: null, role: 'editor' }).decide(() => undefined, place)
  }
  expect(write('x'.repeat(1800))).toMatchObject({ result: { version: 1 } })
  const refused = { code: 'too_large', message: expect.stringMatching(/widget:w .* 2000 are allowed/) }
  expect(() => write('x'.repeat(2000))).toThrow(expect.objectContaining(refused))
})

test(`the ${LAYOUTS_KEPT} last layouts are kept, and restoring one is a new version`, () => {
  const log = new DocumentLog()
  const restore = (version: number): Request => ({ type: 'layout:restore', payload: { version } })
  expect(refusal(log, restore(1))).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('no layout yet'),
  })
  for (let i = 1; i <= LAYOUTS_KEPT + 1; i++) log.write('ann', layout({ i }))
  const kept = () =>
    [...log.records.values()].filter(({ kind }) => kind === 'layout-version').map(({ id }) => Number(id))
  expect(kept()).toEqual(Array.from({ length: LAYOUTS_KEPT }, (_, i) => i + 2))
  const error = refusal(log, restore(1))
  expect(error).toMatchObject({ code: 'not_found', message: expect.stringContaining('versions 2 to 51') })
  expect(log.write('ben', restore(2))).toEqual({ version: 52 })
  expect(log.document('layout')).toMatchObject({ data: { i: 2 }, version: 52, updatedBy: 'ben' })
  expect(log.facts.at(-1)?.payload).toEqual({ layout: { i: 2 }, version: 52, restored: 2 })
  expect(kept()).toEqual(Array.from({ length: LAYOUTS_KEPT }, (_, i) => i + 3))
  // Restored on an older base it conflicts like any layout.
  expect(refusal(log, { ...restore(40), baseVersion: 51 }).conflict?.fields).toEqual([
    { field: 'layout', mine: { i: 40 }, theirs: { i: 2 } },
  ])
})
