import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Conflict } from '../../src/protocol/conflict.ts'
import { type DocumentListReply, documentListReply } from '../../src/protocol/documents.ts'
import type { Envelope, FactReply } from '../../src/protocol/envelope.ts'
import { LAYOUTS_KEPT } from '../../src/protocol/limits.ts'
import {
  ask,
  type Client,
  connect,
  expectEvent,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  type Refusal,
  type Reply,
  TRANSPORTS,
} from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { DocumentHistory, type Meant } from '../support/document-history.ts'
import { type Intent, request, type Step, story, WRITERS } from '../support/document-stories.ts'
import { applyFact, type Held, held } from '../support/documents.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const channel = 'dashboard:d1'
type WriteReply = FactReply & { version: number; merged?: true; versions?: number[] }
type Options = Parameters<typeof connect>[2]

async function member(server: TestServer, userId: string, options?: Options): Promise<Client> {
  const client = await connect(server, userId, options)
  await join(client, channel)
  return client
}

function update(client: Client, data: object, baseVersion?: number, widgetId = 'w'): Promise<Reply<WriteReply>> {
  return expectReply(client, 'widget:update', { channel, payload: { widgetId, data }, baseVersion })
}

function layout(client: Client, columns: number, baseVersion?: number): Promise<Reply<WriteReply>> {
  return expectReply(client, 'layout:update', { channel, payload: { layout: { columns } }, baseVersion })
}

async function conflictOf(client: Client, event: string, body: object): Promise<Conflict> {
  const error: Refusal['error'] & { conflict?: Conflict } = await expectRefusal(client, event, { channel, ...body })
  expect(error).toMatchObject({ code: 'conflict', retryable: false })
  return error.conflict as Conflict
}

async function list(client: Client, at = channel): Promise<DocumentListReply> {
  return documentListReply.parse(await expectReply(client, 'document:list', { channel: at }))
}

describe.each(TRANSPORTS)('documents over %s', (transport) => {
  test('[DOC1] every accepted write gives its document the next version, and is told with it', async () => {
    const server = await startServer()
    const [ann, ben] = [await member(server, 'ann', { transport }), await member(server, 'ben', { transport })]
    expect(await list(ann)).toMatchObject({ head: 0, documents: [] })
    expect(await update(ann, { title: 'Sales', size: 2 })).toMatchObject({ seq: 1, version: 1 })
    expect(await update(ben, { size: null, theme: { dark: true } })).toMatchObject({ seq: 2, version: 2 })
    expect(await update(ben, { n: 1 }, undefined, 'other')).toMatchObject({ seq: 3, version: 1 })
    expect(await layout(ann, 3)).toMatchObject({ seq: 4, version: 1 })

    const told = await expectEvent<Envelope>(ann, 'widget:update', ({ seq }) => seq === 2)
    const payload = { widgetId: 'w', data: { size: null, theme: { dark: true } }, version: 2 }
    expect(told).toMatchObject({ payload, user: { id: 'ben' } })
    const { head, documents } = await list(ben)
    expect(head).toBe(4)
    const time = expect.any(Number)
    expect(documents.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: 'layout', data: { columns: 3 }, version: 1, updatedAt: time, updatedBy: 'ann' },
      { id: 'widget:other', data: { n: 1 }, version: 1, updatedAt: time, updatedBy: 'ben' },
      {
        id: 'widget:w',
        data: { title: 'Sales', theme: { dark: true } },
        version: 2,
        updatedAt: told.timestamp,
        updatedBy: 'ben',
      },
    ])

    const deletion = { channel, payload: { widgetId: 'w' } }
    expect(await expectReply(ann, 'widget:delete', deletion)).toMatchObject({ seq: 5, version: 3 })
    expect((await expectEvent<Envelope>(ben, 'widget:delete')).payload).toEqual({ widgetId: 'w', version: 3 })
    expect(await expectRefusal(ann, 'widget:delete', deletion)).toMatchObject({ code: 'not_found' })
    expect(await update(ann, { title: 'Anew' })).toMatchObject({ seq: 6, version: 4 })
  })

  test('[DOC1] a batch is all or nothing: one fact, one version each', async () => {
    const server = await startServer()
    const [ann, ben] = [await member(server, 'ann', { transport }), await member(server, 'ben', { transport })]
    await update(ann, { a: 1 })
    const operations = [
      { type: 'widget:update', payload: { widgetId: 'w', data: { a: 2 } }, baseVersion: 1 },
      { type: 'widget:update', payload: { widgetId: 'v', data: { a: 1 } } },
      { type: 'widget:delete', payload: { widgetId: 'v' } },
    ]
    const body = { channel, operationId: 'op', payload: { operations } }
    expect(await expectReply(ann, 'widget:batch', body)).toMatchObject({ seq: 2, versions: [2, 1, 2] })
    expect(await expectReply(ann, 'widget:batch', body)).toMatchObject({
      seq: 2,
      versions: [2, 1, 2],
      duplicate: true,
    })
    expect((await expectEvent<Envelope>(ben, 'widget:batch')).payload).toEqual({
      operations: [
        { type: 'widget:update', payload: { widgetId: 'w', data: { a: 2 }, version: 2 } },
        { type: 'widget:update', payload: { widgetId: 'v', data: { a: 1 }, version: 1 } },
        { type: 'widget:delete', payload: { widgetId: 'v', version: 2 } },
      ],
    })
    const stale = [operations[1], { type: 'widget:delete', payload: { widgetId: 'w' }, baseVersion: 1 }]
    expect(await conflictOf(ben, 'widget:batch', { payload: { operations: stale } })).toMatchObject({
      documentId: 'widget:w',
      fields: [{ field: 'a', mine: null, theirs: 2 }],
    })
    expect(await list(ben)).toMatchObject({ head: 2, documents: [{ id: 'widget:w', version: 2 }] })
  })

  test('[DOC2] without a base the last writer wins, field by field', async () => {
    const server = await startServer()
    const [ann, ben] = [await member(server, 'ann', { transport }), await member(server, 'ben', { transport })]
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        Promise.all([update(ann, { a: i, both: i }), update(ben, { b: i, both: i })]),
      ),
    )
    expect((await list(ann)).documents).toMatchObject([{ data: { a: 19, b: 19, both: 19 }, version: 40 }])
    expect(await update(ann, { a: 20 })).not.toHaveProperty('merged')
  })

  test('[DOC3] an older base is merged when nobody changed what is written', async () => {
    const server = await startServer()
    const [ann, ben] = [await member(server, 'ann', { transport }), await member(server, 'ben', { transport })]
    await update(ann, { title: 'Sales', size: 1 })
    expect(await update(ann, { title: 'Turnover' }, 1)).not.toHaveProperty('merged')
    expect(await update(ben, { size: 2 }, 1)).toMatchObject({ version: 3, merged: true })
    // Who writes what stands there already disagrees with nobody.
    expect(await update(ben, { title: 'Turnover' }, 1)).toMatchObject({ version: 4, merged: true })
    const [document] = (await list(ann)).documents
    expect(document).toMatchObject({ data: { title: 'Turnover', size: 2 }, version: 4 })
    // A repeated request is answered as the first was.
    const repeated = { channel, operationId: 'op', payload: { widgetId: 'w', data: { note: 1 } }, baseVersion: 3 }
    expect(await expectReply(ben, 'widget:update', repeated)).toMatchObject({ version: 5, merged: true })
    await update(ann, { note: 2 })
    expect(await expectReply(ben, 'widget:update', repeated)).toMatchObject({
      version: 5,
      merged: true,
      duplicate: true,
    })
  })

  test('[DOC4] an older base conflicts when others changed what is written, and nothing is stored', async () => {
    const server = await startServer()
    const [ann, ben] = [await member(server, 'ann', { transport }), await member(server, 'ben', { transport })]
    await update(ann, { title: 'Sales', size: 1, note: 'x' })
    await update(ann, { title: 'Turnover', note: null }, 1)
    const mine = { widgetId: 'w', data: { title: 'Profit', size: 2, note: 'y' } }
    expect(await conflictOf(ben, 'widget:update', { payload: mine, baseVersion: 1 })).toEqual({
      documentId: 'widget:w',
      baseVersion: 1,
      version: 2,
      fields: [
        { field: 'title', mine: 'Profit', theirs: 'Turnover' },
        { field: 'note', mine: 'y', theirs: null },
      ],
      data: { title: 'Turnover', size: 1 },
    })
    const deletion = { payload: { widgetId: 'w' }, baseVersion: 1 }
    expect((await conflictOf(ben, 'widget:delete', deletion)).fields).toEqual([
      { field: 'title', mine: null, theirs: 'Turnover' },
    ])
    await layout(ann, 1)
    await layout(ann, 2)
    expect(await layout(ben, 2, 1)).toMatchObject({ version: 3, merged: true })
    expect(await conflictOf(ben, 'layout:update', { payload: { layout: { columns: 3 } }, baseVersion: 1 })).toEqual({
      documentId: 'layout',
      baseVersion: 1,
      version: 3,
      fields: [{ field: 'layout', mine: { columns: 3 }, theirs: { columns: 2 } }],
      data: { columns: 2 },
    })
    const ahead = { channel, payload: mine, baseVersion: 9 }
    expect(await expectRefusal(ben, 'widget:update', ahead)).toMatchObject({
      code: 'invalid',
      details: [{ path: 'baseVersion' }],
    })
    expect(await list(ben)).toMatchObject({ head: 5 })
  })

  test('[DOC5] a conflict is resolved by writing again with the version it named, or in one request', async () => {
    const server = await startServer()
    const [ann, ben] = [await member(server, 'ann', { transport }), await member(server, 'ben', { transport })]
    await update(ann, { title: 'Sales' })
    await update(ann, { title: 'Turnover' })
    const payload = { widgetId: 'w', data: { title: 'Profit' } }
    const { version } = await conflictOf(ben, 'widget:update', { payload, baseVersion: 1 })
    expect(await update(ben, payload.data, version)).toMatchObject({ version: 3 })

    const resolve = { channel, operationId: 'r1', documentId: 'widget:w', baseVersion: 2 }
    const theirs = { ...resolve, resolution: 'theirs' }
    // What stands there by now, which is newer than the conflict named.
    const standing = { ok: true, operationId: 'r1', version: 3, data: { title: 'Profit' } }
    expect(await expectReply(ann, 'conflict:resolve', theirs)).toEqual(standing)
    const mine = { ...resolve, resolution: 'mine', data: { title: 'Loss' } }
    expect((await conflictOf(ann, 'conflict:resolve', mine)).fields).toEqual([
      { field: 'title', mine: 'Loss', theirs: 'Profit' },
    ])
    const settled = { ...mine, resolution: 'merge', baseVersion: 3 }
    expect(await expectReply(ann, 'conflict:resolve', settled)).toMatchObject({ seq: 4, operationId: 'r1', version: 4 })
    expect(await expectReply(ann, 'conflict:resolve', settled)).toMatchObject({ seq: 4, version: 4, duplicate: true })
    expect((await expectEvent<Envelope>(ben, 'widget:update', ({ seq }) => seq === 4)).payload).toEqual({
      widgetId: 'w',
      data: { title: 'Loss' },
      version: 4,
    })

    const { data: _, ...without } = { ...mine, operationId: 'r2' }
    expect(await expectRefusal(ann, 'conflict:resolve', without)).toMatchObject({
      code: 'invalid',
      details: [{ path: 'data' }],
    })
    const unknown = { ...theirs, documentId: 'layout' }
    expect(await expectRefusal(ann, 'conflict:resolve', unknown)).toMatchObject({ code: 'not_found' })
    const whole = { ...mine, documentId: 'layout', operationId: 'r3', baseVersion: 0, data: { columns: 1 } }
    expect(await expectReply(ann, 'conflict:resolve', whole)).toMatchObject({ version: 1 })
    expect((await list(ben)).documents).toContainEqual(
      expect.objectContaining({ id: 'layout', data: { columns: 1 }, version: 1 }),
    )
    await expectReply(ann, 'widget:delete', { channel, payload: { widgetId: 'w' } })
    expect(await expectReply(ann, 'conflict:resolve', theirs)).toEqual({ ok: true, operationId: 'r1', version: 5 })
  })
})

test(`the last ${LAYOUTS_KEPT} layouts can be restored, each as a new version that everybody is told`, async () => {
  const server = await startServer()
  const [ann, ben] = [await member(server, 'ann'), await member(server, 'ben')]
  for (let columns = 1; columns <= LAYOUTS_KEPT + 1; columns++) await layout(ann, columns)
  expect(await expectRefusal(ben, 'layout:restore', { channel, payload: { version: 1 } })).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('2 to 51'),
  })
  expect(await expectReply(ben, 'layout:restore', { channel, payload: { version: 2 } })).toMatchObject({ version: 52 })
  const told = { layout: { columns: 2 }, version: 52, restored: 2 }
  expect((await expectEvent<Envelope>(ann, 'layout:restore')).payload).toEqual(told)
  expect((await list(ann)).documents).toMatchObject([{ id: 'layout', data: { columns: 2 }, version: 52 }])
})

test('[FACT2] documents are written with the right edit, read with read, and only by members', async () => {
  const server = await startServer({ access: 'claims' })
  const as = (userId: string, role: string) =>
    connect(server, userId, { token: tokenFor(userId, { channels: { [channel]: role } }) })
  const [viewer, editor] = [await as('vic', 'viewer'), await as('ed', 'editor')]
  const write = { channel, payload: { widgetId: 'w', data: {} } }
  expect(await expectRefusal(editor, 'widget:update', write)).toMatchObject({ code: 'not_joined' })
  expect(await expectRefusal(viewer, 'document:list', { channel })).toMatchObject({ code: 'not_joined' })
  await join(viewer, channel)
  await join(editor, channel)
  await update(editor, { a: 1 })
  const resolve = { channel, operationId: 'r', documentId: 'widget:w', resolution: 'theirs', baseVersion: 1 }
  expect(await expectRefusal(viewer, 'widget:update', write)).toMatchObject({ code: 'forbidden' })
  expect(await expectRefusal(viewer, 'conflict:resolve', resolve)).toMatchObject({ code: 'forbidden' })
  expect((await list(viewer)).documents).toMatchObject([{ data: { a: 1 } }])
})

test('[LIFE4] all documents of a channel fit into one list, whatever MAX_OUTBOUND_BYTES is', async () => {
  const server = await startServer({ maxMessageBytes: 65_536, maxOutboundBytes: 65_536 })
  const ann = await member(server, 'ann')
  const text = 'x'.repeat(10_000)
  for (const widgetId of ['w1', 'w2', 'w3']) await update(ann, { text }, undefined, widgetId)
  for (const more of [
    { widgetId: 'w4', data: { text } },
    { widgetId: 'w1', data: { text: text.repeat(4) } },
  ]) {
    const refused = { code: 'too_large', message: expect.stringContaining('32768 are allowed') }
    expect(await expectRefusal(ann, 'widget:update', { channel, payload: more })).toMatchObject(refused)
  }
  expect((await list(ann)).documents).toHaveLength(3)
  await expectReply(ann, 'widget:delete', { channel, payload: { widgetId: 'w3' } })
})

test('[SEQ2] documents and their versions outlast the server', async () => {
  const { url: databaseUrl } = await createDatabase()
  const first = await startServer({ databaseUrl })
  const ann = await member(first, 'ann')
  await update(ann, { a: 1, b: 1 })
  await update(ann, { b: null })
  await update(ann, {}, undefined, 'gone')
  await expectReply(ann, 'widget:delete', { channel, payload: { widgetId: 'gone' } })
  const before = await list(ann)
  await first.close()
  const second = await startServer({ databaseUrl })
  const again = await member(second, 'ann')
  expect(await list(again)).toEqual(before)
  const stale = { payload: { widgetId: 'w', data: { b: 2 } }, baseVersion: 1 }
  expect((await conflictOf(again, 'widget:update', stale)).fields).toEqual([{ field: 'b', mine: 2, theirs: null }])
  expect(await update(again, {}, undefined, 'gone')).toMatchObject({ version: 3 })
})

/** A client that holds the documents it listed and every fact it has applied since. */
class Holder {
  readonly #client: Client
  readonly #channel: string
  documents: Held = new Map()
  seq = 0

  constructor(client: Client, at: string) {
    this.#client = client
    this.#channel = at
  }

  async list(): Promise<void> {
    const { head, documents } = await list(this.#client, this.#channel)
    this.documents = held(documents)
    this.seq = head
  }

  /** Applies facts that have come, so many at most. */
  hear(most: number): void {
    const next = factsOf(this.#client, this.#channel).filter(({ seq }) => seq > this.seq)
    for (const fact of next.slice(0, most)) {
      if (fact.seq !== this.seq + 1) throw new Error(`fact ${fact.seq} after ${this.seq}`)
      applyFact(this.documents, fact)
      this.seq = fact.seq
    }
  }
}

interface Sent {
  readonly meant: readonly Meant[]
  readonly merged: boolean
}

test('[DOC1] [DOC3] [DOC4] writers at once end with the same documents, and nobody undoes unseen what another did', async () => {
  const server = await startServer({ rateFactsPerSecond: 100_000 })
  const clients = await Promise.all(Array.from({ length: WRITERS + 1 }, (_, i) => connect(server, `user${i}`)))
  let [stories, conflicts] = [0, 0]

  async function play(steps: readonly Step[]): Promise<void> {
    const at = `dashboard:story${stories++}`
    const sent = new Map<string, Sent>()
    const holders = clients.map((client) => new Holder(client, at))
    await Promise.all(clients.slice(0, WRITERS).map((client) => join(client, at, { echo: true })))

    async function write(client: Client, holder: Holder, intent: Intent): Promise<void> {
      const { body, meant } = request(intent, holder.documents)
      const operationId = crypto.randomUUID()
      const reply = await ask(client, body.type, { channel: at, operationId, ...body, type: undefined })
      if (reply.ok) sent.set(operationId, { meant, merged: reply.merged === true })
      else if (reply.error.code === 'conflict') conflicts++
      else expect(reply.error.code).toBe('not_found')
    }

    async function live(who: number): Promise<void> {
      const [client, holder] = [clients[who] as Client, holders[who] as Holder]
      for (const { does } of steps.filter((step) => step.who === who)) {
        if (typeof does === 'number') holder.hear(does)
        else await write(client, holder, does)
      }
    }

    // Somebody comes while the others are at it.
    async function comeLate(): Promise<void> {
      const last = clients[WRITERS] as Client
      await join(last, at, { echo: true })
      await holders[WRITERS]?.list()
    }
    await Promise.all([...Array.from({ length: WRITERS }, (_, who) => live(who)), comeLate()])

    const { head, documents } = await list(clients[0] as Client, at)
    const served = held(documents)
    for (const holder of holders) {
      await until(`fact ${head} has come`, () => {
        holder.hear(Number.POSITIVE_INFINITY)
        return holder.seq === head
      })
      if (!isDeepStrictEqual(holder.documents, served)) expect(holder.documents).toEqual(served)
    }

    const history = new DocumentHistory()
    for (const fact of factsOf(clients[0] as Client, at)) {
      const { meant, merged } = sent.get(fact.operationId) as Sent
      history.accepted(fact, meant, merged)
    }
    expect(history.faults).toEqual([])
  }

  await fc.assert(fc.asyncProperty(story(['a', 'b', 'constructor']), play), { numRuns: 20, endOnFailure: true })
  expect(conflicts).toBeGreaterThan(5)
})

test('[DOC4] [REQ1] a baseVersion that stands in the payload is refused by its name, and overwrites nobody', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const update = { widgetId: 'w', data: { a: 1 } }
  const cases: [event: string, payload: object, path: string][] = [
    ['widget:update', { ...update, baseVersion: 1 }, 'payload.baseVersion'],
    ['widget:delete', { widgetId: 'w', baseVersion: 1 }, 'payload.baseVersion'],
    ['layout:update', { layout: {}, baseVersion: 1 }, 'payload.baseVersion'],
    ['layout:restore', { version: 1, baseVersion: 1 }, 'payload.baseVersion'],
    [
      'widget:batch',
      { operations: [{ type: 'widget:update', payload: { ...update, baseVersion: 1 } }] },
      'payload.operations.0.payload.baseVersion',
    ],
  ]
  for (const [event, payload, path] of cases) {
    const refused = await expectRefusal(ann, event, { channel, payload })
    expect(refused, event).toMatchObject({ code: 'invalid', details: [{ path }] })
  }
  expect((await list(ann, channel)).head).toBe(0)
})
