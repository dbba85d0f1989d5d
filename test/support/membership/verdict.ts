import { setTimeout as wait } from 'node:timers/promises'
import type { Envelope } from '../../../src/protocol/envelope.ts'
import { allows } from '../../../src/protocol/roles.ts'
import { Log } from './log.ts'
import { Proof } from './proof.ts'
import type { Terminal } from './terminal.ts'

// A hole in a feed is filled from the store after 50 ms; what has not come by then will not.
const SETTLED_WITHIN_MS = 3000

/**
 * All that is wrong with what sessions were told of some channels, once they have the answers to all they asked. At the
 * end each tries to edit, which shows what it may by then. The first is an admin's, who reads the logs.
 */
export async function verdictOn(terminals: readonly Terminal[], channels: readonly string[]): Promise<string[]> {
  const before = await logsOf(terminals, channels)
  const tried = await Promise.all(
    terminals.flatMap((terminal) =>
      terminal.isOpen ? channels.map((channel) => triesIn(terminal, channel, before)) : [],
    ),
  )
  const logs = await logsOf(terminals, channels)
  const proofs = () =>
    terminals.flatMap((terminal) => channels.map((channel) => new Proof(terminal, channel, logs.get(channel) as Log)))
  const end = Date.now() + SETTLED_WITHIN_MS
  while (proofs().some(({ missing }) => missing.length > 0) && Date.now() < end) await wait(10)
  return [...tried.flat(), ...proofs().flatMap(({ faults, missing }) => [...faults, ...missing])]
}

async function triesIn(terminal: Terminal, channel: string, logs: ReadonlyMap<string, Log>): Promise<string[]> {
  const log = logs.get(channel) as Log
  const { isMember } = new Proof(terminal, channel, log)
  const role = log.roleAt(terminal.userId, log.head)
  const asked = { channel, payload: {}, operationId: `${terminal.name} tries ${channel}` }
  const answer = await terminal.ask('task:update', asked)
  const came = answer?.ok ? 'ok' : answer?.error.code
  const due = !isMember ? 'not_joined' : role && allows(role, 'edit') ? 'ok' : 'forbidden'
  return came === due ? [] : [`${terminal.name}, ${isMember ? role : 'no member'} of ${channel}, may edit: ${came}`]
}

async function logsOf(terminals: readonly Terminal[], channels: readonly string[]): Promise<Map<string, Log>> {
  const reader = terminals.findLast(({ userId }) => userId === terminals[0]?.userId) as Terminal
  const logs = new Map<string, Log>()
  for (const channel of channels) {
    await reader.ask('channel:join', { channel, echo: reader.echo })
    const facts: Envelope[] = []
    for (let head = 1; facts.length < head; ) {
      const page = await reader.ask('channel:history', { channel, after: facts.length, limit: 300 })
      if (!page?.ok) throw new Error(`the log of ${channel} cannot be read: ${JSON.stringify(page)}`)
      head = Number(page.head)
      facts.push(...(page.events as Envelope[]))
    }
    logs.set(channel, new Log(facts))
  }
  return logs
}
