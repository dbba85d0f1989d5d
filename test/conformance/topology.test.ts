import { expect, test } from 'vitest'
import { connect, expectEvent, expectReply, join, TRANSPORTS } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'

test.each(TRANSPORTS)('people come to the nodes in turn, and their clients stay there, over %s', async (transport) => {
  const server = await startServer()
  const ids = server.nodes.map((node) => node.server.options.serverId)
  expect(new Set(ids).size).toBe(ids.length)
  const people = []
  for (const id of [...ids, ...ids]) {
    const person = await connect(server, `user${people.length}`, { transport })
    expect(person.connected.serverId).toBe(id)
    people.push(person)
  }
  for (const person of people) await join(person, 'project:p1')
  for (const [n, person] of people.entries()) {
    await expectReply(person, 'task:update', { channel: 'project:p1', payload: {} })
    for (const other of people)
      if (other !== person) await expectEvent(other, 'task:update', ({ seq }) => seq === n + 1)
  }
})
