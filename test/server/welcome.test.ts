// The first steps of a session, and what waits for them.
import { expect, test } from 'vitest'
import { ConveneError } from '../../src/protocol/errors.ts'
import type { Connection } from '../../src/server/session/connection.ts'
import { inTurn } from '../../src/server/session/lane.ts'
import { Session } from '../../src/server/session/session.ts'
import { Welcome, type WelcomeOptions } from '../../src/server/welcome.ts'

/** Somebody who is being greeted, with a word that asks to be joined at once; the store answers when it is told to. */
function greeted() {
  const words: string[] = []
  const connection = { id: 's', open: true, send: (event: string) => words.push(event), drained: async () => {} }
  const verified = { identity: { id: 'ann', claims: {} }, expiresAt: Date.now() + 3_600_000 }
  const limits = { maxChannels: 10, factsPerSecond: 100, signalsPerSecond: 100 }
  const session = new Session(connection as unknown as Connection, verified, limits)
  let answer = () => {}
  let fail: (error: Error) => void = () => {}
  const followed = new Promise<{ open(): void }>((resolve, reject) => {
    answer = () => resolve({ open: () => words.push('open') })
    fail = reject
  })
  const welcome = new Welcome({ channels: { follow: () => followed }, serverId: 'x' } as unknown as WelcomeOptions)
  const greeting = welcome.greet(session)
  const joining = inTurn(session, {}, () => words.push('joined'))
  return { words, greeting, joining, session, answer, fail }
}

test('[CON4] a client that joins before its own channel is there is joined when it has been greeted', async () => {
  const { words, greeting, joining, session, answer } = greeted()
  // All that could be served meanwhile has been.
  await new Promise((resolve) => setImmediate(resolve))
  answer()
  await Promise.all([greeting, joining])
  expect(words).toEqual(['connected', 'open', 'joined'])
  session.end()
})

test('[CON4] a greeting that fails keeps nothing waiting', async () => {
  const { words, greeting, joining, session, fail } = greeted()
  fail(new ConveneError('unavailable', 'The store cannot be reached'))
  await expect(greeting).rejects.toThrow('The store cannot be reached')
  await joining
  expect(words).toEqual(['joined'])
  session.end()
})
