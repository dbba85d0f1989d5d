import jwt from 'jsonwebtoken'
import type { Socket } from 'socket.io-client'
import { expect } from 'vitest'
import { type Client, type ConnectOptions, connect, type Reached } from './connect.ts'
import { SECRET } from './start-server.ts'
import { until } from './until.ts'

/** An event as a client of the board has it: its name and its argument. */
export type BoardFrame = readonly [event: string, body: unknown]

/** What clients of the board say of a project. */
export const BOARD_WORDS = [
  'join-project',
  'leave-project',
  'task:create',
  'task:update',
  'task:delete',
  'task:move',
  'canvas:update',
  'canvas:cursor',
  'markdown:update',
  'markdown:cursor',
  'typing:start',
  'typing:stop',
]

/** When something was, as ISO 8601. */
export const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

/** A token as the board's app has it: who it is stands in `id`. */
export function boardToken(id: string, claims: Record<string, unknown> = {}, secret = SECRET): string {
  const exp = Math.floor(Date.now() / 1000) + 3600
  return jwt.sign({ id, name: id.toUpperCase(), exp, ...claims }, secret, { algorithm: 'HS256' })
}

/** A stock Socket.IO client that speaks the board's words; greeted already. */
export class Board {
  readonly client: Client
  readonly id: string

  constructor(client: Client, id: string) {
    this.client = client
    this.id = id
    // The greeting is looked at by the tests of greeting.
    client.received.splice(0)
  }

  get socket(): Socket {
    return this.client.socket
  }

  get socketId(): string {
    return this.client.connected.socketId
  }

  say(event: string, ...args: unknown[]): void {
    this.socket.emit(event, ...args)
  }

  /** The next so many frames, in the order they came. */
  async take(count: number): Promise<BoardFrame[]> {
    const { received } = this.client
    const deadline = Date.now() + 20_000
    while (received.length < count && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer)
          this.socket.offAny(done)
          resolve()
        }
        const timer = setTimeout(done, Math.max(1, deadline - Date.now()))
        this.socket.onAny(done)
      })
    }
    const taken = received.splice(0, count).map(({ event, body }) => [event, body] as const)
    if (taken.length < count) {
      throw new Error(`${this.id} expected ${count} frames; came: ${JSON.stringify(taken)}`)
    }
    return taken
  }

  /** Joins a project and takes what that tells it. */
  async join(projectId: string): Promise<{ active: BoardFrame; count: BoardFrame }> {
    this.say('join-project', projectId)
    const [active, count] = (await this.take(2)) as [BoardFrame, BoardFrame]
    return { active, count }
  }

  /** Expects that nothing has come: what its node has sent before would come before the answer to this. */
  async expectNothing(): Promise<void> {
    this.say('ping')
    expect(await this.take(1)).toEqual([['pong', { timestamp: ISO }]])
  }
}

export async function openBoard(server: Reached, id: string, options: ConnectOptions = {}): Promise<Board> {
  return new Board(await connect(server, id, { token: boardToken(id), ...options }), id)
}

/** [D5] A frame without what may be added to an object; with it, where it stands. */
export function bare([event, body]: BoardFrame): BoardFrame {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return [event, body]
  const { epoch, seq, channel, ...rest } = body as Record<string, unknown>
  expect({ event, epoch, seq, channel }).toEqual({
    event,
    epoch: expect.any(String),
    seq: expect.any(Number),
    channel: expect.stringMatching(/^project:/),
  })
  return [event, rest]
}

/** What may be added to what is told of p1. */
export const PLACE = { channel: 'project:p1', epoch: expect.any(String), seq: expect.any(Number) }

/** Somebody as `users:active` lists them. */
export function entry(id: string, more: object = {}) {
  return { userId: id, userName: id.toUpperCase(), joinedAt: ISO, ...more }
}

/** What the others are told of somebody. */
export function joined(who: Board, more: object = {}): BoardFrame {
  return [
    'user:joined',
    { socketId: who.socketId, userId: who.id, userName: who.id.toUpperCase(), timestamp: ISO, ...more },
  ]
}

export function left(who: Board): BoardFrame {
  return ['user:left', { socketId: who.socketId, userId: who.id, userName: who.id.toUpperCase(), timestamp: ISO }]
}

export function active(...ids: string[]): BoardFrame {
  return ['users:active', { users: ids.map((id) => entry(id)), count: ids.length }]
}

export function count(count: number): BoardFrame {
  return ['users:count', { count }]
}

/** Who comes in the same millisecond has no order. */
export async function aMoment(): Promise<void> {
  const now = Date.now()
  await until('the clock has gone on', () => Date.now() > now)
}

/** Two in a project, with nothing left to come of their joining. */
export async function twoInProject(server: Reached, transport?: 'websocket' | 'polling') {
  const ann = await openBoard(server, 'ann', transport && { transport })
  const ben = await openBoard(server, 'ben', transport && { transport })
  await ann.join('p1')
  await aMoment()
  await ben.join('p1')
  await ann.take(2)
  return { ann, ben }
}
