import { io } from './socket.io.js'

const PAGE = 300
const RECONNECT_MS = 500
const RETRY_MS = 1000
const LOST = 'Connection lost. It comes back by itself…'

/**
 * Follows one channel with the stock Socket.IO client: every fact once, in order, over whatever happens to the network.
 *
 * It remembers two things. The position of the last fact, with which it asks for what it missed; and what it published
 * and has no answer to, which it sends again under the same operationId, so that the server stores it once.
 *
 * `onFacts(facts, when)`: `past` are read from the log at first, `missed` came while it was away, `live` come now.
 */
export function follow({ channel, getToken, onState, onPeople, onReset, onFacts, onJoined, onWaiting, onRefused }) {
  let position
  let joined = false
  let wasJoined = false
  let parting = LOST
  let shown = {}
  const people = new Map()
  const waiting = new Map()

  const socket = io({
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnectionDelay: RECONNECT_MS,
    reconnectionDelayMax: 5000,
    auth: (give) => getToken().then((token) => give({ token }), noToken),
  })

  function join() {
    // With echo, one's own facts come back in their place among the others': one stream to apply, in one order.
    const body = { channel, echo: true, state: shown, ...(position && { since: position }) }
    socket.emit('channel:join', body, (reply) => {
      if (!reply.ok) return retryOr(reply.error, join, () => onState('refused', reply.error.message))
      if (!position) {
        wasJoined = false
        onReset()
        return readLog(reply, 0)
      }
      if (!reply.recovered) {
        // The log is another one, or what was missed is gone from it: begin again.
        position = undefined
        return join()
      }
      take(reply.events, 'missed')
      position = { epoch: reply.epoch, seq: reply.head }
      joined = true
      people.clear()
      for (const { user, state } of reply.presence.members) people.set(user.id, { ...user, state })
      tellPeople()
      onState('live', 'Live', position.seq)
      onJoined(reply, wasJoined)
      wasJoined = true
      for (const operationId of waiting.keys()) send(operationId)
    })
  }

  /** Reads what the log has up to its head. What comes meanwhile is brought by joining again, from there. */
  function readLog({ epoch, head }, after) {
    if (after >= head) {
      position = { epoch, seq: head }
      return join()
    }
    socket.emit('channel:history', { channel, after, before: head + 1, limit: PAGE }, (reply) => {
      const again = () => readLog({ epoch, head }, after)
      if (!reply.ok) return retryOr(reply.error, again, () => onState('refused', reply.error.message))
      if (reply.epoch !== epoch) return join()
      take(reply.events, 'past')
      readLog({ epoch, head }, reply.events.at(-1)?.seq ?? head)
    })
  }

  function take(facts, when) {
    if (facts.length === 0) return
    const before = waiting.size
    for (const { operationId } of facts) waiting.delete(operationId)
    onFacts(facts, when)
    if (waiting.size < before) tellWaiting()
  }

  function tellWaiting() {
    onWaiting([...waiting.values()])
  }

  function tellPeople() {
    onPeople([...people.values()])
  }

  function send(operationId) {
    const change = waiting.get(operationId)
    socket.emit(change.type, { channel, payload: change.payload, operationId }, (reply) => {
      const again = () => joined && waiting.has(operationId) && send(operationId)
      const done = () => {
        if (waiting.delete(operationId)) tellWaiting()
      }
      if (!reply.ok) {
        retryOr(reply.error, again, () => {
          done()
          onRefused(reply.error.message, change)
        })
      }
      // Stored. It waits on until it comes in its place among the others'.
      else if (reply.seq <= position?.seq) done()
    })
  }

  /** Tries again on the same connection; the next one begins anew anyway. */
  function retryOr(error, again, givenUp) {
    const { id } = socket
    if (error.retryable)
      setTimeout(() => socket.connected && socket.id === id && again(), error.retryAfterMs ?? RETRY_MS)
    else givenUp()
  }

  function reconnectIn(delayMs, message) {
    onState('away', message)
    socket.disconnect()
    setTimeout(() => socket.connect(), delayMs)
  }

  function noToken(error) {
    if (error.retryable) return reconnectIn(RETRY_MS, 'The server gives no token yet. Trying again…')
    socket.disconnect()
    onState('refused', error.message)
  }

  function ask(event, body, answered) {
    if (!joined) return
    socket.emit(event, { channel, ...body }, (reply) => {
      if (reply.ok) answered(reply)
      else
        retryOr(
          reply.error,
          () => ask(event, body, answered),
          () => onRefused(reply.error.message),
        )
    })
  }

  function tell(event, body) {
    if (joined) socket.emit(event, { channel, ...body })
  }

  socket.on('connect', () => {
    socket.io.reconnectionDelay(RECONNECT_MS)
    parting = LOST
    join()
  })
  socket.on('server:shutdown', ({ reconnectInMs }) => {
    // Everybody comes back at another moment, instead of all at once.
    socket.io.reconnectionDelay(Math.max(RECONNECT_MS, reconnectInMs))
    parting = 'The server is restarting. It comes back by itself…'
  })
  socket.on('error', ({ message, event }) => {
    // With an event it is about that alone: a signal too many.
    if (!event) parting = message
  })
  socket.on('disconnect', (reason) => {
    joined = false
    if (reason === 'io client disconnect') return
    // Not active: the server ended the session for good, and an `error` before said why.
    onState(socket.active ? 'away' : 'refused', parting)
  })
  socket.on('connect_error', ({ message, data }) => {
    // Active: it was the network, and the client goes on trying. Otherwise the server refused.
    if (socket.active) onState('away', parting)
    else if (data?.retryable) reconnectIn(data.retryAfterMs ?? RETRY_MS, `${message}. Trying again…`)
    else onState('refused', `The server refused the connection: ${message}`)
  })
  socket.on('auth:expiring', () => {
    getToken().then((token) => socket.emit('auth:refresh', { token }), noToken)
  })

  socket.on('channel:left', ({ reason }) => {
    joined = false
    onState('refused', `You may not see this board any more (${reason})`)
  })
  socket.on('presence:join', ({ member: { user, state } }) => {
    people.set(user.id, { ...user, state })
    tellPeople()
  })
  socket.on('presence:update', ({ userId, state }) => {
    if (!people.has(userId)) return
    people.set(userId, { ...people.get(userId), state })
    tellPeople()
  })
  socket.on('presence:leave', ({ userId }) => {
    people.delete(userId)
    tellPeople()
  })
  socket.onAny((_event, fact) => {
    // A fact has an epoch beside its seq; other events may name a seq as well.
    if (!joined || fact?.channel !== channel || fact.epoch === undefined || !(fact.seq > position.seq)) return
    position = { epoch: fact.epoch, seq: fact.seq }
    take([fact], 'live')
    onState('live', 'Live', position.seq)
  })

  return {
    /** Publishes a fact now, or as soon as there is a connection. */
    publish(type, payload) {
      const operationId = crypto.randomUUID()
      waiting.set(operationId, { type, payload, at: Date.now() })
      tellWaiting()
      if (joined) send(operationId)
    },
    /** Asks something of the channel. Not answered when the connection is lost; `onJoined` is the time to ask again. */
    ask,
    /** Signals something that may be lost. */
    tell,
    /** Shows the others what one is about. */
    showOthers(state) {
      shown = state
      tell('presence:update', { state })
    },
    /** Hears what is no fact: signals, and what one's other windows did. */
    hear(event, heard) {
      socket.on(event, (body) => {
        if (body.channel === channel) heard(body)
      })
    },
  }
}
