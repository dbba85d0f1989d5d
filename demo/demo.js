import { paintAvatar } from './avatar.js'
import { createChat } from './chat.js'
import { createCursors } from './cursors.js'
import { follow } from './live.js'
import { deedOf } from './messages.js'
import { nameOf, Tasks } from './tasks.js'
import { createView } from './view.js'

const CHANNEL = 'project:demo'

const as = new URLSearchParams(location.search).get('as')?.trim()
if (as) openBoard(personOf(as))
else openDoor()

/** Somebody by the name in the address: `?as=ann` is Ann, with the id ann. */
function personOf(given) {
  const name = (given[0].toUpperCase() + given.slice(1)).slice(0, 64)
  const plain = given.normalize('NFKD').toLowerCase()
  const id = plain.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')
  return { id: id.slice(0, 32), name }
}

function openDoor() {
  for (const avatar of document.querySelectorAll('#door .avatar')) paintAvatar(avatar, avatar.dataset.name)
  document.getElementById('door').hidden = false
}

function openBoard(me) {
  const title = `${me.name} · Convene demo`
  document.title = title
  document.getElementById('me').textContent = `You are ${me.name}`
  document.getElementById('room').hidden = false
  const tasks = new Tasks()
  let waiting = []
  const show = () => view.showTasks(tasks.after(waiting, me))

  const view = createView({
    onAdd: (name) => live.publish('task:create', { id: crypto.randomUUID(), title: name, status: 'todo' }),
    onMove: (taskId, status) => live.publish('task:move', { taskId, status }),
    onRename: (id, name) => live.publish('task:update', { id, title: name }),
    onDelete: (taskId) => live.publish('task:delete', { taskId }),
    onRenaming: (taskId) => live.showOthers(taskId === undefined ? {} : { renaming: taskId }),
    onLost(taskId) {
      const by = tasks.deletedBy(taskId)
      view.showLoss(`${by?.id === me.id ? 'You' : nameOf(by)} deleted the task you were renaming`)
    },
  })

  const live = follow({
    channel: CHANNEL,
    getToken: () => tokenOf(me),
    onState: view.showState,
    onWaiting(changes) {
      if (changes.length > waiting.length) view.showRefusal(undefined)
      waiting = changes
      view.showWaiting(changes.length)
      show()
      chat.showWaiting(changes)
    },
    onPeople(people) {
      const ids = new Set(people.map(({ id }) => id))
      view.showPeople(people, me.id)
      chat.keepPeople(ids)
      cursors.keep(ids)
    },
    onReset() {
      tasks.clear()
      show()
      chat.reset()
      view.forgetFacts()
    },
    onFacts(facts, when) {
      for (const fact of facts) {
        // Somebody's message that is not for this person: it has a number, and nothing else.
        if (fact.type === 'hidden') continue
        const deed = deedOf(fact.type)
        const what = deed ?? tasks.apply(fact)
        view.showFact(fact.seq, nameOf(fact.user), what)
        if (when === 'live' && fact.user?.id !== me.id) view.announce(`${nameOf(fact.user)} ${what}`)
        // What was said before the board was opened, the chat reads for itself.
        if (deed && when !== 'past') chat.take(fact, when === 'live')
      }
      show()
    },
    onJoined(reply, isBack) {
      chat.joined(reply)
      if (isBack) view.announce(`Back. ${reply.events.length} changes came meanwhile`)
    },
    onRefused(message, change) {
      view.showRefusal(message)
      if (change) chat.giveBack(change)
    },
  })

  const chat = createChat({
    live,
    me,
    announce: view.announce,
    onLost: () => view.showLoss('The message you were editing was deleted'),
    onUnread(count) {
      document.title = count === 0 ? title : `(${count}) ${title}`
    },
  })
  const cursors = createCursors({ board: document.getElementById('columns'), live, me })

  // What waits is kept by this window alone.
  addEventListener('beforeunload', (event) => {
    if (waiting.length > 0) event.preventDefault()
  })
}

/** A token for somebody; only a demo gives them to whoever asks. */
async function tokenOf(person) {
  const response = await fetch('demo/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(person),
  }).catch(() => {
    throw Object.assign(new Error('The server does not answer'), { retryable: true })
  })
  const body = await response.json().catch(() => ({}))
  if (response.ok) return body.token
  const why = body.error?.message ?? `the server answered ${response.status}`
  throw Object.assign(new Error(`No token for ${person.name}: ${why}`), { retryable: response.status >= 500 })
}
