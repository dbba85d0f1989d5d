import { io } from './socket.io.js'

const FACTS_AT_FIRST = 200
const RECONNECT_MS = 500
const RETRY_MS = 1000

/**
 * Follows one channel with the stock Socket.IO client: every fact once, in order, over whatever happens to the network.
 *
 * It remembers two things. The position of the last fact, with which it asks for what it missed; and what it published
 * and has no answer to, which it sends again under the same operationId, so that the server stores it once.
 */
export function follow({ channel, getToken, onState, onPeople, onReset, onFact, onCaughtUp, onWaiting, onRefused }) {
  let position
  let joined = false
  let parting = 'Connection lost. It comes back by itself…'
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
    const from = position ? { since: position } : { last: FACTS_AT_FIRST }
    socket.emit('channel:join', { channel, echo: true, ...from }, (reply) => {
      if (!reply.ok) return retryOr(reply.error, join, () => onState('refused', reply.error.message))
      if (position && !reply.recovered) {
        // The log is another one, or what was missed is gone from it: begin again.
        position = undefined
        return join()
      }
      if (!position) onReset()
      for (const fact of reply.events) take(fact)
      if (position) onCaughtUp(reply.events.length)
      position = { epoch: reply.epoch, seq: reply.head }
      joined = true
      people.clear()
      for (const member of reply.presence.members) people.set(member.user.id, member.user)
      onPeople([...people.values()])
      onState('live', 'Live', position.seq)
      for (const operationId of waiting.keys()) send(operationId)
    })
  }

  function take(fact, live = false) {
    const mine = waiting.delete(fact.operationId)
    onFact(fact, live)
    if (mine) tellWaiting()
  }

  function tellWaiting() {
    onWaiting([...waiting.values()])
  }

  function send(operationId) {
    const { type, payload } = waiting.get(operationId)
    socket.emit(type, { channel, payload, operationId }, (reply) => {
      const again = () => joined && waiting.has(operationId) && send(operationId)
      const done = () => {
        if (waiting.delete(operationId)) tellWaiting()
      }
      if (!reply.ok) {
        retryOr(reply.error, again, () => {
          done()
          onRefused(reply.error.message)
        })
      }
      // Stored. It waits on until it comes in its place among the others'.
      else if (reply.seq <= position?.seq) done()
    })
  }

  function retryOr(error, again, givenUp) {
    if (error.retryable) setTimeout(() => socket.connected && again(), error.retryAfterMs ?? RETRY_MS)
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

  socket.on('connect', () => {
    socket.io.reconnectionDelay(RECONNECT_MS)
    parting = 'Connection lost. It comes back by itself…'
    join()
  })
  socket.on('server:shutdown', ({ reconnectInMs }) => {
    // Everybody comes back at another moment, instead of all at once.
    socket.io.reconnectionDelay(Math.max(RECONNECT_MS, reconnectInMs))
    parting = 'The server is restarting. It comes back by itself…'
  })
  socket.on('error', ({ message }) => {
    parting = message
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
  socket.on('presence:join', ({ member }) => {
    people.set(member.user.id, member.user)
    onPeople([...people.values()])
  })
  socket.on('presence:leave', ({ userId }) => {
    people.delete(userId)
    onPeople([...people.values()])
  })
  socket.onAny((_event, fact) => {
    if (!joined || fact?.channel !== channel || !Number.isInteger(fact.seq) || fact.seq <= position.seq) return
    position = { epoch: fact.epoch, seq: fact.seq }
    take(fact, true)
    onState('live', 'Live', position.seq)
  })

  return {
    /** Publishes a fact now, or as soon as there is a connection. */
    publish(type, payload) {
      const operationId = crypto.randomUUID()
      waiting.set(operationId, { type, payload })
      tellWaiting()
      if (joined) send(operationId)
    },
  }
}
