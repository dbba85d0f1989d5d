import type { ClientBody, ClientEvent, ClientEventName, ClientReply } from '../protocol/client-events.ts'
import type { AccessPolicy } from './access/policy.ts'
import type { Authenticator } from './auth/authenticator.ts'
import type { Channels } from './channels/channels.ts'
import type { Presence } from './presence/presence.ts'
import type { Answer, Handler } from './session/dispatch.ts'
import { refresh } from './session/refresh.ts'
import type { Session } from './session/session.ts'

/** Words of the protocol that this version does not serve yet: they get `unknown_event`. */
export const NOT_YET = [
  'document:list',
  'message:list',
  'message:send',
  'message:edit',
  'message:delete',
  'widget:update',
  'widget:delete',
  'widget:batch',
  'layout:update',
  'layout:restore',
  'sync',
  'typing',
  'cursor',
  'signal',
] as const satisfies readonly ClientEventName[]

type FactName = {
  [E in ClientEventName]: ClientReply<E> extends { seq: number; operationId: string } ? E : never
}[ClientEventName]
type Served = Exclude<ClientEventName, (typeof NOT_YET)[number] | FactName>
/** One handler for each word of the table that is not a plain fact: leaving one out does not compile. */
type Handlers = { [E in Served]: Handler<ClientBody<E>, Partial<ClientReply<E>>> }

export interface HandlersOptions {
  readonly events: ReadonlyMap<string, ClientEvent>
  readonly channels: Channels
  readonly presence: Presence
  readonly authenticator: Authenticator
  readonly access: AccessPolicy
}

/** Who serves which word: the one place where the features meet the session. */
export function createHandlers(options: HandlersOptions): ReadonlyMap<string, Handler> {
  const { channels, presence, authenticator, access } = options
  const requests: Handlers = {
    'channel:join': async (session, body, role) => {
      const { channel } = body
      const { log, open } = await channels.join(session, body)
      session.enter(channel, role)
      presence.enter(channel, session, body.state)
      return { reply: { channel, role, ...log, presence: presence.list(channel) }, afterwards: open }
    },
    'channel:leave': (session, { channel }) => {
      depart(session, channel, options)
      return { reply: {} }
    },
    'channel:history': async (_session, body) => ({ reply: await channels.history(body) }),
    'presence:update': (session, { channel, state }) => {
      presence.update(channel, session, state)
      return { reply: {} }
    },
    'presence:list': (_session, { channel }) => ({ reply: presence.list(channel) }),
    'auth:refresh': async (session, { token }) => ({
      reply: await refresh(session, token, authenticator, access, (channel) => {
        depart(session, channel, options)
        session.send('channel:left', { channel, reason: 'forbidden' })
      }),
    }),
    ping: () => ({ reply: { timestamp: Date.now() } }),
  }

  const publish: Handler<ClientBody<'task:create'> & { type: string }> = async (session, body): Promise<Answer> => ({
    reply: await channels.publish({ ...body, user: session.author, origin: session.id }),
  })
  const handlers = new Map<string, Handler>(Object.entries(requests) as [string, Handler][])
  for (const [type, { kind }] of options.events) {
    if (kind !== 'fact' || (NOT_YET as readonly string[]).includes(type)) continue
    handlers.set(type, (session, body, role) =>
      publish(session, { ...(body as ClientBody<'task:create'>), type }, role),
    )
  }
  return handlers
}

/** Takes a session out of a channel, whatever the reason. */
export function depart(
  session: Session,
  channel: string,
  { channels, presence }: Pick<HandlersOptions, 'channels' | 'presence'>,
): void {
  channels.leave(session, channel)
  presence.leave(channel, session)
  session.exit(channel)
}
