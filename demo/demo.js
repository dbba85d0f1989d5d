import { follow } from './live.js'
import { nameOf, Tasks } from './tasks.js'
import { createView, paintAvatar } from './view.js'

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
  document.title = `${me.name} · Convene demo`
  document.getElementById('me').textContent = `You are ${me.name}`
  document.getElementById('room').hidden = false
  const tasks = new Tasks()
  let waiting = []
  const show = () => view.showTasks(tasks.after(waiting, me))

  const view = createView({
    onAdd: (title) => live.publish('task:create', { id: crypto.randomUUID(), title, status: 'todo' }),
    onMove: (taskId, status) => live.publish('task:move', { taskId, status }),
    onRename: (id, title) => live.publish('task:update', { id, title }),
    onDelete: (taskId) => live.publish('task:delete', { taskId }),
  })

  const live = follow({
    channel: CHANNEL,
    getToken: () => tokenOf(me),
    onState: view.showState,
    onWaiting(changes) {
      waiting = changes
      view.showWaiting(changes.length)
      show()
    },
    onPeople: (people) => view.showPeople(people, me.id),
    onReset() {
      tasks.clear()
      show()
      view.forgetFacts()
    },
    onFact(fact, isLive) {
      const what = tasks.apply(fact)
      show()
      view.showFact(fact.seq, nameOf(fact.user), what)
      if (isLive && fact.user?.id !== me.id) view.announce(`${nameOf(fact.user)} ${what}`)
    },
    onCaughtUp: (count) => view.announce(`Back. ${count} changes came meanwhile`),
    onRefused: (message) => view.announce(`That was not saved: ${message}`),
  })

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
