import type { DocumentListReply } from '../../protocol/documents.ts'
import type { ErrorBody } from '../../protocol/errors.ts'
import type { PresenceList } from '../../protocol/presence.ts'
import type { JoinReply } from '../../protocol/session.ts'
import { placeIn } from './dashboard-address.ts'
import { asItIs, type Fact, isFact, published } from './dashboard-facts.ts'
import { frame, type Said, type Style } from './dashboard-frame.ts'
import { type Request, requestIn } from './dashboard-request.ts'
import { TELLING } from './dashboard-told.ts'
import type { Answer, PlainDialect, Self, Step, Told } from './dialect.ts'
import { factOf, field, textOf } from './fact.ts'
import { keptId } from './kept-id.ts'

// What is answered before the greeting waits for it; more than that no client asks so early.
const MAX_HELD = 100
// They bring back the ids of the requests, which may be as long as frames.
const MAX_HELD_CHARS = 65_536

/** The words of one client of the dashboard, which is in one dashboard from its first moment on. */
export class DashboardClient implements PlainDialect {
  readonly #self: Self
  /** Where it is; or why nowhere. */
  readonly #dashboard: string | ErrorBody
  /** As it wrote last. */
  #style: Style = 'either'
  #state: 'joining' | 'joined' | 'left' = 'joining'
  #held: string[] = []
  #heldChars = 0

  constructor(self: Self) {
    this.#self = self
    this.#dashboard = placeIn(self.query, self.user.id)
  }

  begin(): readonly Step<string>[] {
    const { query } = this.#self
    // It is seen whether that is a position where it is used.
    const [, epoch, seq] = /^(.*?)(?::(\d{1,15}))?$/s.exec(query.get('since') ?? '') ?? []
    return this.#join(query.get('since') ? { since: { epoch, seq: seq && Number(seq) } } : {})
  }

  hear(heard: unknown): readonly Step<string>[] {
    const steps = this.#hear(heard)
    // It was put out of its dashboard: what it wants shows whether it may come in again.
    return this.#state === 'left' ? [...this.#join({}), ...steps] : steps
  }

  tell(told: Told): readonly string[] {
    if (factOf(told.event, told.body)) return told.as(TELLING[this.#style])
    if (told.event !== 'channel:left' || field(told.body, 'channel') !== this.#dashboard) return []
    this.#state = 'left'
    return [this.#frame({ type: 'DISCONNECT', payload: { reason: field(told.body, 'reason') } })]
  }

  garbled({ code, message }: ErrorBody): readonly string[] {
    const error = code === 'too_large' ? message : 'Failed to process message'
    return this.#later([this.#frame({ type: 'NACK', payload: { error }, userId: '', error: { code, message: error } })])
  }

  #join(position: object): Step<string>[] {
    const dashboard = this.#dashboard
    if (typeof dashboard !== 'string') return this.#closes(dashboard)
    this.#state = 'joining'
    const next = (answer: Answer) =>
      answer.ok ? [{ say: this.#joined(answer as unknown as JoinReply) }] : this.#closes(answer.error)
    return [{ ask: 'channel:join', body: { channel: dashboard, ...position }, next }]
  }

  #closes(error: ErrorBody): Step<string>[] {
    return [{ say: [this.#frame({ type: 'NACK', payload: { error: error.message }, error })] }, { close: error }]
  }

  /** [D7] The greeting tells where the dashboard's log stands; then comes what was missed. */
  #joined({ channel, epoch, head, recovered, reason, events }: JoinReply): string[] {
    this.#state = 'joined'
    const asked = this.#self.query.get('since') ? { recovered, reason } : {}
    const greeting = this.#frame({
      type: 'CONNECT',
      payload: { clientId: this.#self.sessionId, timestamp: new Date().toISOString() },
      place: { channel, epoch, seq: head, ...asked },
    })
    const missed = events.flatMap((entry) => (factOf(entry.type, entry) ? TELLING[this.#style](entry.type, entry) : []))
    return [greeting, ...missed, ...this.#released()]
  }

  #hear(heard: unknown): readonly Step<string>[] {
    // The original's way with these: what cannot be looked into failed, what says too little is invalid.
    if (heard === null) return [{ say: this.garbled({ code: 'invalid', message: '', retryable: false }) }]
    const request = requestIn(heard)
    if (request) this.#style = request.style
    const isWhole = request && (request.style === 'library' || Boolean(request.frame.userId))
    if (!isWhole) return this.#refuse(request, { code: 'invalid', message: 'Invalid message format' })
    const body = { channel: this.#dashboard }
    switch (request.type) {
      case 'PONG':
        return []
      case 'PING':
        return [{ ask: 'ping', body: {}, answered: (answer) => this.#reply(request, answer, 'PONG', {}) }]
      case 'SYNC_REQUEST':
        return [{ ask: 'presence:list', body, answered: (answer) => this.#synced(request, answer) }]
      case 'WIDGET_LOAD':
        if (request.style !== 'library') break
        return [{ ask: 'document:list', body, answered: (answer) => this.#loaded(request, answer) }]
      default:
        if (isFact(request.type)) return [this.#publish(request)]
    }
    return this.#refuse(request, { code: 'unknown_event', message: `Unknown message type: ${request.type}` })
  }

  #publish(request: Request): Step<string> {
    const { type, payload, frame } = request
    const given = textOf(frame.operationId) ?? textOf(field(payload, 'operationId'))
    const ask = (fact: Fact, next: (answer: Answer) => Step<string>[]): Step<string> => {
      const operationId = given && keptId('ws', given, [this.#self.user.id, fact.type, type, payload])
      const baseVersion = frame.baseVersion ?? fact.baseVersion
      const body = { payload: fact.payload, ...(baseVersion !== undefined && { baseVersion }) }
      return { ask: fact.type, body: { channel: this.#dashboard, operationId, ...body }, next }
    }
    const acknowledge = (answer: Answer) => [{ say: this.#acknowledge(request, answer) }]
    return ask(published(type, payload), (answer) =>
      // A widget that only the app's own database knows is gone for the others all the same.
      !answer.ok && answer.error.code === 'not_found' ? [ask(asItIs(type, payload), acknowledge)] : acknowledge(answer),
    )
  }

  #acknowledge(request: Request, answer: Answer): string[] {
    if (answer.ok) {
      const payload = request.type === 'CONFLICT_RESOLVED' ? { resolved: true } : { received: true }
      const { epoch, seq } = answer as unknown as { epoch: string; seq: number }
      return this.#reply(request, answer, 'ACK', payload, { channel: this.#dashboard as never, epoch, seq })
    }
    const { conflict } = answer.error
    const operationId = request.frame.operationId ?? field(request.payload, 'operationId') ?? request.id
    const timestamp = request.style === 'library' ? Date.now() : new Date().toISOString()
    const detected = conflict?.fields.map(({ field, mine, theirs }) =>
      this.#frame({
        style: request.style,
        type: 'CONFLICT_DETECTED',
        payload: { operationId, field, localValue: mine, remoteValue: theirs, timestamp },
      }),
    )
    return [...this.#reply(request, answer, 'ACK', {}), ...(detected ?? [])]
  }

  #synced(request: Request, answer: Answer): string[] {
    const { connections } = answer as unknown as PresenceList
    const payload = { syncState: 'ready', clientCount: connections, timestamp: new Date().toISOString() }
    return this.#reply(request, answer, 'SYNC_RESPONSE', payload)
  }

  #loaded(request: Request, answer: Answer): string[] {
    if (!answer.ok) return this.#reply(request, answer, 'WIDGET_LOAD', {})
    const widgetId = textOf(field(request.payload, 'widgetId'))
    if (widgetId === undefined) return this.#nack(request, { code: 'invalid', message: 'Missing widgetId in payload' })
    const { documents } = answer as unknown as DocumentListReply
    const found = documents.find(({ id }) => id === `widget:${widgetId}`)
    if (!found) return this.#nack(request, { code: 'not_found', message: 'There is no such widget in this dashboard' })
    return this.#reply(request, answer, 'WIDGET_LOAD', { widgetId, data: found.data, version: found.version })
  }

  /** What a request comes to: what is wanted, or why not. */
  #reply(request: Request, answer: Answer, type: string, payload: unknown, place?: Said['place']): string[] {
    if (!answer.ok) return this.#nack(request, answer.error)
    const { style, id } = request
    return this.#later([this.#frame({ style, type, payload, to: id, place })])
  }

  #nack({ style, id }: Request, { code, message }: Pick<ErrorBody, 'code' | 'message'>): string[] {
    const payload = { error: message }
    return this.#later([this.#frame({ style, type: 'NACK', payload, to: id, error: { code, message } })])
  }

  /** Refuses what is no request at all, as the original does: of a document's client it names neither user nor frame. */
  #refuse(request: Request | undefined, error: Pick<ErrorBody, 'code' | 'message'>): Step<string>[] {
    if (request?.style === 'library') return [{ say: this.#nack(request, error) }]
    return [{ say: this.#later([this.#frame({ type: 'NACK', payload: { error: error.message }, userId: '', error })]) }]
  }

  #frame({ style = this.#style, ...said }: Omit<Said, 'userId'> & { userId?: string; style?: Style }): string {
    return frame(style, { userId: this.#self.user.id, ...said })
  }

  /** What may be said once the client has been greeted. */
  #later(frames: string[]): string[] {
    if (this.#state !== 'joining') return frames
    const chars = frames.reduce((sum, { length }) => sum + length, 0)
    if (this.#held.length >= MAX_HELD || this.#heldChars + chars > MAX_HELD_CHARS) return []
    this.#held.push(...frames)
    this.#heldChars += chars
    return []
  }

  #released(): string[] {
    this.#heldChars = 0
    return this.#held.splice(0)
  }
}
