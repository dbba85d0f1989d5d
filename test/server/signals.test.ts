import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Channel } from '../../src/server/channels/channel.ts'
import { type Outgoing, Signal, type Subscriber } from '../../src/server/channels/delivery.ts'

/** Somebody in a channel, and what they were handed, a list each time. */
class Listener implements Subscriber {
  readonly id: string
  readonly userId: string
  readonly closed = false
  readonly handed: unknown[][] = []
  ready = true
  blockedBy = ''

  constructor(id: string) {
    this.id = id
    this.userId = `user of ${id}`
  }

  measure(): number {
    return 100
  }

  hides(): boolean {
    return false
  }

  hidesSignalsOf(userId: string): boolean {
    return userId === this.blockedBy
  }

  reset(): void {}

  deliver(events: readonly Outgoing[]): void {
    this.handed.push(events.map(({ body }) => body))
  }
}

function channelWith(...ids: string[]) {
  const channel = new Channel(() => {})
  const listeners = ids.map((id) => {
    const listener = new Listener(id)
    const member = channel.admit(listener, false)
    channel.settle(member, 0, false)
    channel.open(member)
    return listener
  })
  const cursor = (of: string, position: unknown) => {
    const from = { sessionId: of, userId: `user of ${of}` }
    channel.signal(new Signal('cursor', position, from), `cursor ${of}`)
  }
  return { channel, listeners, cursor }
}

test('[SIG2] of one sender only the newest cursor of a turn goes out, in one go with the others’', async () => {
  const { listeners, cursor } = channelWith('ann', 'ben', 'cat')
  for (let n = 1; n <= 50; n++) {
    cursor('ann', `ann ${n}`)
    cursor('ben', `ben ${n}`)
  }
  await turn()
  await turn()
  const [ann, ben, cat] = listeners
  expect(cat?.handed).toEqual([['ann 50', 'ben 50']])
  expect(ann?.handed).toEqual([['ben 50']])
  expect(ben?.handed).toEqual([['ann 50']])
  cursor('ann', 'later')
  await turn()
  await turn()
  expect(cat?.handed).toEqual([['ann 50', 'ben 50'], ['later']])
})

test('[SIG2] facts of a turn go before its signals, and go when signals do not', async () => {
  const { channel, listeners, cursor } = channelWith('ann', 'ben')
  const [, ben] = listeners as [Listener, Listener]
  const fact = (seq: number) => {
    const rest = { epoch: 'e', operationId: `${seq}`, user: null, payload: {}, timestamp: 0 }
    channel.push({ type: 'a:b', channel: 'project:p1', seq, ...rest })
  }
  cursor('ann', 'first')
  fact(1)
  await turn()
  await turn()
  expect(ben.handed).toEqual([[expect.objectContaining({ seq: 1 }), 'first']])
  ben.ready = false
  cursor('ann', 'second')
  fact(2)
  await turn()
  await turn()
  expect(ben.handed.at(-1)).toEqual([expect.objectContaining({ seq: 2 })])
  cursor('ann', 'third')
  await turn()
  await turn()
  expect(ben.handed).toHaveLength(2)
})

test('[MSG1] the signals of a blocker are kept from whom they blocked', async () => {
  const { listeners, cursor } = channelWith('ann', 'ben', 'cat')
  const [, ben, cat] = listeners as [Listener, Listener, Listener]
  ben.blockedBy = 'user of ann'
  cursor('ann', 'here')
  cursor('cat', 'there')
  await turn()
  await turn()
  expect(ben.handed).toEqual([['there']])
  expect(cat.handed).toEqual([['here']])
})

test('[JOIN5] who is joining is told no signal, and of the rest only what its reply does not tell', async () => {
  const { channel, cursor } = channelWith('ann')
  const ben = new Listener('ben')
  const member = channel.admit(ben, false)
  const tell = (body: string) => channel.tell({ body } as Outgoing, () => true)
  tell('before the reply is made')
  cursor('ann', 'while joining')
  await turn()
  await turn()
  expect([...channel.subscribers()].map(({ id }) => id)).toEqual(['ann'])
  channel.settle(member, 0, false)
  tell('after it')
  channel.open(member)
  tell('then')
  expect(ben.handed).toEqual([['after it'], ['then']])
})
