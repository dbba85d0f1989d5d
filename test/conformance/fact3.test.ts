import { test } from 'vitest'
import { playAll } from '../support/membership/play-all.ts'
import { openSockets } from '../support/membership/sockets.ts'

test('[FACT3] [SEQ3] over sockets, whatever happens at once, nobody is told what is after their removal', async () => {
  await playAll(15, 4000, () => openSockets(['websocket', 'polling']))
}, 60_000)
