import { expect, test } from 'vitest'
import { connect, expectEvent, expectReply, join } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { channel, connectPacket, Room } from './room.ts'

test('A17 [PRE3] fifty sessions of one person, killed and come back again and again, are one who came and one who went', async () => {
  const room = await Room.open({ PRESENCE_GRACE_MS: '2000' })
  const witness = await connect(room.server, 'witness')
  await join(witness, channel)
  for (let round = 0; round < 4; round++) {
    const raws: RawClient[] = []
    for (let i = 0; i < 50; i++) {
      const raw = await RawClient.open(room.server)
      raw.send(connectPacket('looper'))
      await raw.expect(/"connected"/)
      raw.send(`420["channel:join",{"channel":"${channel}","state":{"round":${round}}}]`)
      await raw.expect(/^430\[\{"ok":true/)
      raws.push(raw)
    }
    const { members } = await expectReply<{ members: { user: { id: string } }[] }>(witness, 'presence:list', {
      channel,
    })
    expect(members.filter(({ user }) => user.id === 'looper')).toMatchObject([{ state: { round } }])
    for (const raw of raws) raw.terminate()
  }
  await expectEvent<{ userId: string }>(witness, 'presence:leave', ({ userId }) => userId === 'looper')
  const told = witness.received.map(({ event }) => event).filter((event) => event.startsWith('presence:'))
  expect(told).toEqual(['presence:join', ...Array(3).fill('presence:update'), 'presence:leave'])
  witness.socket.disconnect()
  await room.noticesNothing()
})
