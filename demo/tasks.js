export const COLUMNS = new Map([
  ['todo', 'To do'],
  ['doing', 'Doing'],
  ['done', 'Done'],
])

/** The tasks as the facts so far make them. Applying the same facts in the same order gives everybody the same board. */
export class Tasks {
  #tasks = new Map()
  #deletedBy = new Map()

  all() {
    return [...this.#tasks.values()]
  }

  /** The tasks as they will be when one's own changes are stored as well; what these touch is marked. */
  after(changes, user) {
    const later = new Tasks()
    later.#tasks = new Map(this.#tasks)
    for (const change of changes) later.apply({ ...change, user })
    return later.all().map((task) => (this.#tasks.get(task.id) === task ? task : { ...task, waits: true }))
  }

  /** Who deleted a task. */
  deletedBy(id) {
    return this.#deletedBy.get(id)
  }

  clear() {
    this.#tasks.clear()
    this.#deletedBy.clear()
  }

  /** Applies a fact and says in words what it did; what is not understood changes nothing. */
  apply({ type, payload, user }) {
    const by = nameOf(user)
    if (type === 'task:create') {
      const { id, status = 'todo' } = payload
      const title = titleOf(payload.title)
      if (typeof id !== 'string' || this.#tasks.has(id) || !COLUMNS.has(status)) return type
      this.#tasks.set(id, { id, title, status, by })
      return `added ‘${title}’`
    }
    const task = this.#tasks.get(payload?.taskId ?? payload?.id)
    if (!task) return type.startsWith('task:') ? 'changed a task that is gone' : type
    if (type === 'task:update') {
      const title = titleOf(payload.title)
      this.#tasks.set(task.id, { ...task, title, by })
      return `renamed ‘${task.title}’ to ‘${title}’`
    }
    if (type === 'task:move' && COLUMNS.has(payload.status)) {
      // To the end of its new column.
      this.#tasks.delete(task.id)
      this.#tasks.set(task.id, { ...task, status: payload.status, by })
      return `moved ‘${task.title}’ to ${COLUMNS.get(payload.status)}`
    }
    if (type === 'task:delete') {
      this.#tasks.delete(task.id)
      this.#deletedBy.set(task.id, user)
      return `deleted ‘${task.title}’`
    }
    return type
  }
}

/** Who did something; an app's server may publish for nobody. */
export function nameOf(user) {
  return user ? (user.name ?? user.id) : 'The server'
}

function titleOf(title) {
  return (typeof title === 'string' && title.trim().slice(0, 200)) || 'Untitled'
}
