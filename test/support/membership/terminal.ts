import type { ErrorBody } from '../../../src/protocol/errors.ts'

export type Answer = { ok: true; [field: string]: unknown } | { ok: false; error: ErrorBody }

/** What a session asked, and what reached it, in that order. */
export type Entry =
  | { readonly what: 'asked'; readonly event: string; readonly asked: Asked }
  | { readonly what: 'told'; readonly event: string; readonly body: Record<string, unknown> }
  | { readonly what: 'answered'; readonly event: string; readonly asked: Asked; readonly answer: Answer }

/** A request's body, as far as a proof looks into it. */
export type Asked = { readonly channel?: string; readonly since?: { epoch: string; seq: number } } & Record<
  string,
  unknown
>

/** One session of somebody, seen from the client's end. */
export interface Terminal {
  /** Its own, also in the operationIds of its facts: that tells whose a fact is when its reply was lost. */
  readonly name: string
  readonly userId: string
  /** Whether it wants its own facts as well. */
  readonly echo: boolean
  readonly entries: readonly Entry[]
  readonly isOpen: boolean
  /** Sends a request at once; resolves when it was answered, or when nothing will be. */
  ask(event: string, asked: Asked): Promise<Answer | undefined>
  close(): void
}

/** Where people have sessions: a server, however it is reached. */
export interface World {
  open(name: string, userId: string, echo: boolean): Promise<Terminal>
  /** As an app's server does. */
  publish(channel: string, fact: { type: string; payload: Record<string, unknown> }): Promise<unknown>
  /** A new token for somebody who is there. */
  tokenFor(userId: string): string
  close(): Promise<void>
}

/** A session's memory, and who waits for its answers. */
export class Transcript {
  readonly entries: Entry[] = []
  readonly #waiting = new Set<(answer: undefined) => void>()
  isOpen = true

  told(event: string, body: unknown): void {
    if (this.isOpen) this.entries.push({ what: 'told', event, body: body as Record<string, unknown> })
  }

  /** `send` is given what takes the answer. */
  ask(event: string, asked: Asked, send: (take: (answer: Answer) => void) => void): Promise<Answer | undefined> {
    if (!this.isOpen) return Promise.resolve(undefined)
    this.entries.push({ what: 'asked', event, asked })
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
      send((answer) => {
        if (!this.#waiting.delete(resolve)) return
        this.entries.push({ what: 'answered', event, asked, answer })
        resolve(answer)
      })
    })
  }

  close(): void {
    this.isOpen = false
    for (const resolve of this.#waiting) resolve(undefined)
    this.#waiting.clear()
  }
}
