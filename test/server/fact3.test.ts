import { describe, expect, test } from 'vitest'
import { token } from '../support/membership/log.ts'
import { playAll } from '../support/membership/play-all.ts'
import { CHANNELS } from '../support/membership/program.ts'
import { openRooms } from '../support/membership/rooms.ts'
import type { Asked } from '../support/membership/terminal.ts'
import { verdictOn } from '../support/membership/verdict.ts'
import { HeldStore, slowStore } from '../support/slow-store.ts'

test('[FACT3] [SEQ3] over a slow store, whatever happens at once, nobody is told what is after their removal', async () => {
  await playAll(40, 6000, (seed) => openRooms((store) => slowStore(store, seed)))
}, 60_000)

/** What somebody asks, as a member or, `first`, as one who is not there yet. */
interface Request {
  readonly event: string
  readonly body?: Asked
  readonly first?: boolean
}
const RESOLVED = { operationId: 'ben r', documentId: 'widget:w1', resolution: 'theirs', baseVersion: 1 }
const REQUESTS: readonly Request[] = [
  { event: 'channel:join', first: true },
  { event: 'channel:join', body: { last: 10 }, first: true },
  { event: 'channel:join' },
  { event: 'channel:join', body: { last: 10 } },
  { event: 'channel:history' },
  { event: 'message:list' },
  { event: 'document:list' },
  { event: 'conflict:resolve', body: RESOLVED },
  { event: 'auth:refresh' },
]
const CHANGES = [
  { type: 'member:removed', payload: { userId: 'ben' } },
  { type: 'member:changed', payload: { userId: 'ben', role: 'none' } },
  { type: 'member:changed', payload: { userId: 'ben', role: 'viewer' } },
] as const
const [channel] = CHANNELS

interface Interruption {
  readonly request: Request
  readonly change: (typeof CHANGES)[number]
  /** At which of the answers that the request needs from the store; 0 is before it is asked. */
  readonly step: number
  /** Whether the change is found in the store before its own instance is told that it is stored. */
  readonly late: boolean
}

/** Has a change of a member, and secrets after it, stored in the midst of a request. False when it has fewer steps. */
async function interrupt({ request, change, step, late }: Interruption): Promise<boolean> {
  const held = new HeldStore()
  const world = await openRooms((store) => held.over(store))
  const publish = (type: string, payload: Record<string, unknown>) => world.publish(channel, { type, payload })
  try {
    await publish('member:added', { userId: 'root', role: 'admin' })
    await publish('member:added', { userId: 'ben', role: 'editor' })
    await publish('widget:update', { widgetId: 'w1', data: { text: token(0) } })
    const [root, ben, tab] = [
      await world.open('root', 'root', false),
      await world.open('ben', 'ben', false),
      await world.open('tab', 'ben', true),
    ]
    const { event, body, first } = request
    for (const one of first ? [root, tab] : [root, ben, tab]) {
      await one.ask('channel:join', { channel, echo: one.echo })
    }

    let answers = 0
    const here = step > 0 ? held.hold(() => ++answers === step) : undefined
    const ask = () => ben.ask(event, event === 'auth:refresh' ? { token: world.tokenFor('ben') } : { channel, ...body })
    const asked = here && ask()
    if (await Promise.race([here?.reached, asked])) return false
    const untold = late ? held.hold((call) => call === 'append') : undefined
    const changing = publish(change.type, change.payload)
    await (untold?.reached ?? changing)
    await publish('task:update', { text: token(1) })
    await publish('message:send', { content: token(2) })
    await publish('widget:update', { widgetId: 'w1', data: { text: token(3) } })
    here?.release()
    await (asked ?? ask())
    untold?.release()
    await changing
    expect(await verdictOn([root, ben, tab], [channel])).toEqual([])
    return true
  } finally {
    held.release()
    await world.close()
  }
}

describe.each(REQUESTS)('[FACT3] %j, interrupted at each of its steps', (request) => {
  test.each(CHANGES.flatMap((change) => [false, true].map((late) => ({ change, late }))))('by %j', async (how) => {
    let step = 0
    while (await interrupt({ ...how, request, step })) step++
    expect(step).toBeGreaterThan(1)
  })
})
