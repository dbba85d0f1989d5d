import { describe, expect, test } from 'vitest'
import {
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'

describe.each(TRANSPORTS)('channels over %s', (transport) => {
  test('[CH1] an address is kind:id; anything else is refused with invalid, naming the field', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    for (const good of ['project:p1', 'room:A.b_c@d-9', 'group:0', `dashboard:${'x'.repeat(128)}`]) {
      expect((await join(ann, good)).channel).toBe(good)
    }
    const bad = [
      'p1',
      'task:1',
      'project:',
      'project:-a',
      'project:a b',
      'project:a/b',
      'project:ä',
      'project:a\n',
      `project:${'x'.repeat(129)}`,
      "project:a';--",
      'project:a*',
      'project:a#',
      7,
      null,
      {},
    ]
    for (const channel of bad) {
      const error = await expectRefusal(ann, 'channel:join', { channel })
      expect(error).toMatchObject({ code: 'invalid', retryable: false, details: [{ path: 'channel' }] })
    }
  })

  test('[CH2] a joined channel is a Socket.IO room of that name, for its members only', async () => {
    const server = await startServer()
    const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
    await join(ann, 'project:p1')
    for (const [n, node] of server.nodes.entries()) {
      node.server.io.to('project:p1').emit('from-the-app', { n })
      expect(await expectEvent<{ n: number }>(ann, 'from-the-app', (body) => body.n === n)).toEqual({ n })
    }
    await expectNothing(ben, 'from-the-app')

    await expectReply(ann, 'channel:leave', { channel: 'project:p1' })
    for (const node of server.nodes) node.server.io.to('project:p1').emit('from-the-app-again', {})
    await expectNothing(ann, 'from-the-app-again')
  })

  test('[CH3] user:<id> is joined on connect by each session of that identity, and by nobody else', async () => {
    const server = await startServer({ maxChannels: 1 })
    const ann = await connect(server, 'ann', { transport })
    const annToo = await connect(server, 'ann', { transport })
    const ben = await connect(server, 'ben', { transport })
    const { seq } = await server.server.publish('user:ann', { type: 'invoice:paid', payload: { n: 1 } })
    expect(seq).toBe(1)
    for (const session of [ann, annToo]) {
      expect(await expectEvent(session, 'invoice:paid')).toMatchObject({ channel: 'user:ann', seq: 1, user: null })
    }
    await expectNothing(ben, 'invoice:paid')
    expect(await expectRefusal(ben, 'channel:join', { channel: 'user:ann' })).toMatchObject({ code: 'forbidden' })
    // It does not count against maxChannels, and clients do not publish to it.
    await join(ann, 'project:p1')
    const task = { channel: 'user:ann', payload: {} }
    expect(await expectRefusal(ann, 'task:update', task)).toMatchObject({ code: 'forbidden' })
    // Not even an admin of everything.
    const admin = await startServer({ access: 'claims' })
    const root = await connect(admin, 'root', { transport })
    expect(await expectRefusal(root, 'channel:join', { channel: 'user:ann' })).toMatchObject({ code: 'forbidden' })
  })
})
