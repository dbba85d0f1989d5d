import { paintAvatar } from './avatar.js'
import { COLUMNS } from './tasks.js'

const FACTS_SHOWN = 6
const WORTH_SAYING_MS = 400
const STATUSES = [...COLUMNS.keys()]
const byId = (id) => document.getElementById(id)

/** The board on the page. Whatever came from somebody else is set as text, never as markup. */
export function createView({ onAdd, onMove, onRename, onDelete, onRenaming, onLost }) {
  const cards = new Map()
  let waitingShown
  let renaming = new Map()
  const columns = new Map(STATUSES.map((status) => [status, addColumn(status)]))

  byId('add').addEventListener('submit', (event) => {
    event.preventDefault()
    const title = byId('title').value.trim()
    byId('add').reset()
    if (title) onAdd(title)
  })

  function addColumn(status) {
    const section = byId('column').content.cloneNode(true).firstElementChild
    const heading = section.querySelector('h2')
    heading.id = `column-${status}`
    heading.textContent = COLUMNS.get(status)
    section.setAttribute('aria-labelledby', heading.id)
    section.dataset.spot = `column ${status}`
    byId('columns').append(section)
    return { list: section.querySelector('ul'), count: section.querySelector('.count') }
  }

  /** One task on the page: made once and changed in place, so that focus and half-typed names survive. */
  function addCard(id) {
    const element = byId('task').content.cloneNode(true).firstElementChild
    const title = element.querySelector('.title')
    element.dataset.spot = `task ${id}`
    const button = (action) => element.querySelector(`[data-action=${action}]`)
    const card = { element, task: undefined, show, showRenaming, closeRename: undefined, isMoving: false }

    function label(action, text, possible = true) {
      button(action).setAttribute('aria-label', text)
      button(action).title = text
      button(action).disabled = !possible
    }
    function neighbour(step) {
      return STATUSES[STATUSES.indexOf(card.task.status) + step]
    }
    function show(task) {
      card.task = task
      title.textContent = task.title
      element.classList.toggle('waits', task.waits === true)
      element.querySelector('.by').textContent = task.by
      for (const [action, step] of [
        ['left', -1],
        ['right', 1],
      ]) {
        const to = neighbour(step)
        label(action, to ? `Move ‘${task.title}’ to ${COLUMNS.get(to)}` : 'No column there', to !== undefined)
      }
      label('rename', `Rename ‘${task.title}’`)
      label('delete', `Delete ‘${task.title}’`)
    }
    /** Who else is giving it a new name just now. */
    function showRenaming(name) {
      const line = element.querySelector('.renaming')
      line.hidden = name === undefined
      line.textContent = name === undefined ? '' : `${name} is renaming this…`
    }
    function rename() {
      if (title.hidden) return
      onRenaming(id)
      const form = document.createElement('form')
      const input = document.createElement('input')
      input.value = card.task.title
      input.maxLength = 200
      input.setAttribute('aria-label', `New name of ‘${card.task.title}’`)
      form.append(input)
      title.hidden = true
      title.after(form)
      input.select()
      // Taking the form away is a blur as well, and must not rename a second time.
      const close = () => {
        input.removeEventListener('blur', blurred)
        title.hidden = false
        form.remove()
        card.closeRename = undefined
        onRenaming(undefined)
      }
      card.closeRename = close
      const save = () => {
        const name = input.value.trim()
        close()
        if (name !== '' && name !== card.task.title) onRename(id, name)
      }
      // So is moving it, and whoever types goes on typing.
      const blurred = () => {
        if (!card.isMoving) save()
      }
      form.addEventListener('submit', (event) => {
        event.preventDefault()
        save()
        button('rename').focus()
      })
      input.addEventListener('blur', blurred)
      input.addEventListener('keydown', (event) => {
        if (event.key !== 'Escape') return
        close()
        button('rename').focus()
      })
    }

    button('left').addEventListener('click', () => onMove(id, neighbour(-1)))
    button('right').addEventListener('click', () => onMove(id, neighbour(1)))
    button('rename').addEventListener('click', rename)
    button('delete').addEventListener('click', () => {
      byId('title').focus()
      onDelete(id)
    })
    return card
  }

  /** Puts a card at its place in a column, and the focus back where it was. */
  function place(card, list, before = null) {
    const { element } = card
    const focused = element.contains(document.activeElement) ? document.activeElement : undefined
    card.isMoving = true
    list.insertBefore(element, before)
    card.isMoving = false
    if (!focused) return
    if (focused.disabled) element.querySelector('[data-action]:enabled').focus()
    else focused.focus()
  }

  function complain(text) {
    byId('refusal').hidden = text === undefined
    byId('refusal').textContent = text ?? ''
  }

  return {
    showTasks(tasks) {
      const ids = new Set(tasks.map(({ id }) => id))
      for (const [id, { element, closeRename }] of cards) {
        if (ids.has(id)) continue
        closeRename?.()
        element.remove()
        cards.delete(id)
        if (closeRename) onLost(id)
      }
      for (const task of tasks) {
        const card = cards.get(task.id) ?? addCard(task.id)
        cards.set(task.id, card)
        card.showRenaming(renaming.get(task.id))
        if (card.task === task) continue
        const stays = card.task?.status === task.status
        card.show(task)
        if (!stays) place(card, columns.get(task.status).list)
      }
      for (const [status, { list, count }] of columns) {
        const inside = tasks.filter((task) => task.status === status)
        for (const [index, { id }] of inside.entries()) {
          // What waited here may be stored after what others did.
          const card = cards.get(id)
          if (list.children[index] !== card.element) place(card, list, list.children[index])
        }
        count.textContent = inside.length
      }
      byId('empty').hidden = tasks.length > 0
    },

    showPeople(people, myId) {
      const others = people.filter(({ id, state }) => id !== myId && state?.renaming !== undefined)
      renaming = new Map(others.map(({ id, name = id, state }) => [state.renaming, name]))
      for (const [id, card] of cards) card.showRenaming(renaming.get(id))
      const items = people.map(({ id, name = id }) => {
        const item = document.createElement('li')
        item.className = 'avatar'
        paintAvatar(item, name)
        const label = id === myId ? `${name} (you)` : name
        item.title = label
        item.setAttribute('role', 'img')
        item.setAttribute('aria-label', label)
        return item
      })
      byId('people').replaceChildren(...items)
      const other = myId === 'ben' ? 'ann' : 'ben'
      byId('invite').hidden = people.length > 1
      byId('invite').href = `?as=${other}`
      byId('invite').textContent = `Open as ${other === 'ben' ? 'Ben' : 'Ann'}`
    },

    showState(state, text, seq) {
      byId('state').dataset.state = state
      const isLive = state === 'live'
      byId('people').classList.toggle('away', !isLive)
      byId('people').ariaLabel = isLive ? 'People who are here' : 'People who were here when the connection was lost'
      if (byId('state').textContent !== text) byId('state').textContent = text
      if (seq !== undefined) byId('position').textContent = seq === 0 ? 'No facts yet' : `Last fact #${seq}`
    },

    showWaiting(count) {
      clearTimeout(waitingShown)
      const text = count === 1 ? '1 change waits for the server' : `${count} changes wait for the server`
      const show = () => {
        byId('waiting').hidden = count === 0
        byId('waiting').textContent = count === 0 ? '' : text
      }
      // What is stored at once is not worth a word.
      if (count === 0 || !byId('waiting').hidden) show()
      else waitingShown = setTimeout(show, WORTH_SAYING_MS)
    },

    showFact(seq, who, what) {
      const item = document.createElement('li')
      const number = document.createElement('span')
      number.className = 'seq'
      number.textContent = `#${seq}`
      const name = document.createElement('b')
      name.textContent = who
      item.append(number, ' ', name, ` ${what}`)
      byId('facts').prepend(item)
      while (byId('facts').childElementCount > FACTS_SHOWN) byId('facts').lastElementChild.remove()
    },

    forgetFacts() {
      byId('facts').replaceChildren()
    },

    /** What was refused, until there is something new to try. */
    showRefusal(message) {
      complain(message && `That was not saved: ${message}`)
    },

    /** What one was at work on is gone. */
    showLoss(what) {
      complain(what)
      // Not into another field: what is still being typed is not meant for it.
      if (document.activeElement === document.body) byId('refusal').focus()
    },

    /** Tells a screen reader what arrived. */
    announce(text) {
      byId('arriving').textContent = text
    },
  }
}
