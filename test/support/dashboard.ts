import { expect } from 'vitest'
import { as, type Frame, openPlain, type Plain } from './plain.ts'
import type { TestServer } from './start-server.ts'

export const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
export const ID = expect.stringMatching(/^msg-\d{13}-[0-9a-z]{7}$/)
export const CLIENT_ID = expect.stringMatching(/^client-\d{13}-[0-9a-z]{7}$/)
export const EPOCH = expect.stringMatching(/^[0-9a-f]{16}$/)
export const MS = expect.any(Number)
export const channel = 'dashboard:d1'

/** [D5] What is added to a frame. */
export const at = (seq: unknown, of: string = channel) => ({ channel: of, epoch: EPOCH, seq })

/** A frame of the document's clients. */
export function said(type: string, payload: unknown, more: Record<string, unknown> = {}) {
  return { type, id: 'msg-123456', timestamp: '2024-11-24T10:00:00Z', userId: 'whoever', payload, ...more }
}

/** A frame of the browser library. */
export function saidByLibrary(type: string, n: number, data?: unknown) {
  return { type, id: `msg_${n}`, timestamp: 1732442400000, ...(data !== undefined && { data }) }
}

/** Somebody in the dashboard d1, greeted; they write as the document says, unless it is left open. */
export async function open(
  server: TestServer,
  userId: string,
  more = '&dashboardId=d1',
  style = 'document',
): Promise<Plain> {
  const plain = await openPlain(server, `/api/realtime${as(userId)}${more}`)
  await plain.expect('CONNECT')
  if (style === 'document') plain.say(said('PING', {}))
  if (style === 'library') plain.say(saidByLibrary('PING', 0))
  if (style !== 'either') await plain.expect('PONG')
  plain.taken()
  return plain
}

/** All that has come to clients, up to a mark that one of them gives the others. */
export async function upToMark(by: Plain, ...clients: readonly Plain[]): Promise<Frame[][]> {
  by.say(said('SYNC_UPDATE', { mark: true }))
  const isMark = ({ type, payload, data }: Frame) =>
    type === 'SYNC_UPDATE' && ((payload ?? data) as { mark?: unknown }).mark === true
  return Promise.all(
    clients.map(async (client) => {
      await client.expect('SYNC_UPDATE', isMark)
      return client.taken().filter((frame) => !isMark(frame))
    }),
  )
}
