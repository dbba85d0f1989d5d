import { z } from 'zod'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { envelope } from '../../protocol/envelope.ts'
import { errorBody } from '../../protocol/errors.ts'
import { SERVER_EVENTS } from '../../protocol/server-events.ts'
import { PROTOCOL_VERSION } from '../../protocol/version.ts'
import { type JsonSchema, JsonSchemas } from './json-schema.ts'
import { withMark } from './responses.ts'

/** The name under which facts go that no table knows: the service API may publish any noun:verb. */
const ANY_FACT = 'fact'

const CHANNELS = {
  requests: { address: '/socket.io/', title: 'What a client may say', description: 'Socket.IO 4, namespace /.' },
  replies: { address: null, title: 'Replies', description: 'What a request is acknowledged with.' },
  events: { address: '/socket.io/', title: 'What a server says', description: 'Socket.IO 4, namespace /.' },
}

/** The AsyncAPI 3.0 document of the event tables, as the server sees it: it receives requests and sends events. */
export function asyncApi(clientEvents: ReadonlyMap<string, ClientEvent>): JsonSchema {
  const schemas = new JsonSchemas()
  const requests: Record<string, JsonSchema> = {}
  const replies: Record<string, JsonSchema> = {}
  const events: Record<string, JsonSchema> = {}
  const operations: Record<string, JsonSchema> = {}

  for (const [name, event] of clientEvents) {
    requests[name] = { name, summary: summaryOf(event), payload: schemas.input(event.body) }
    replies[name] = { name, payload: replyOf(event, schemas) }
    if (event.kind === 'fact') events[name] = { name, payload: schemas.output(envelopeOf(name, event)) }
    operations[`receive.${name}`] = {
      action: 'receive',
      channel: { $ref: '#/channels/requests' },
      messages: [messageRef('requests', name)],
      reply: { channel: { $ref: '#/channels/replies' }, messages: [messageRef('replies', name)] },
    }
  }
  events[ANY_FACT] = { name: ANY_FACT, summary: 'A fact of any other noun:verb.', payload: schemas.output(envelope) }
  for (const [name, schema] of Object.entries(SERVER_EVENTS)) events[name] = { name, payload: schemas.output(schema) }
  for (const name of Object.keys(events)) {
    operations[`send.${name}`] = {
      action: 'send',
      channel: { $ref: '#/channels/events' },
      messages: [messageRef('events', name)],
    }
  }

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Convene',
      version: String(PROTOCOL_VERSION),
      description: 'What clients and a Convene server say to each other. Its HTTP API is in /openapi.json.',
    },
    defaultContentType: 'application/json',
    channels: {
      requests: { ...CHANNELS.requests, messages: requests },
      replies: { ...CHANNELS.replies, messages: replies },
      events: { ...CHANNELS.events, messages: events },
    },
    operations,
    components: { schemas: schemas.named },
  }
}

const KINDS: Record<ClientEvent['kind'], string> = {
  request: 'A request, answered to the asker',
  fact: 'A fact: stored, numbered, delivered to every member',
  signal: 'A signal: to the other members who are here now, not stored',
}

function summaryOf({ kind, needs }: ClientEvent): string {
  return needs === null ? `${KINDS[kind]}.` : `${KINDS[kind]}. Needs the right to ${needs}.`
}

function replyOf({ reply }: ClientEvent, schemas: JsonSchemas): JsonSchema {
  const refused = z.object({ ok: z.literal(false), error: errorBody })
  return { oneOf: [schemas.output(withMark(reply, 'ok')), schemas.output(refused)] }
}

/** How everybody receives a fact of this type. */
function envelopeOf(type: string, { payload, delivers = payload }: ClientEvent): z.ZodType {
  return envelope.extend({ type: z.literal(type), ...(delivers && { payload: delivers }) })
}

function messageRef(channel: keyof typeof CHANNELS, name: string): JsonSchema {
  return { $ref: `#/channels/${channel}/messages/${name}` }
}
