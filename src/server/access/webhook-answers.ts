// What the app has answered lately, and what it is being asked.
import { LRUCache } from 'lru-cache'
import type { Role } from '../../protocol/roles.ts'

/** One question and its answer, which may still be on its way. */
export interface Asked {
  /** Whom and where it is about. */
  readonly about: string
  readonly answer: Promise<Role | null>
  /** What it says may be of before a change. */
  forgotten: boolean
}

const MAX_ANSWERS = 10_000

/** Answers by their question. The same person may stand behind several, one for each token. */
export class WebhookAnswers {
  readonly #answers: LRUCache<string, Asked>
  /** The questions about one person in one channel, so that forgetting does not look through all. */
  readonly #questions = new Map<string, Set<string>>()

  constructor(keepMs: number) {
    this.#answers = new LRUCache({
      max: MAX_ANSWERS,
      ttl: keepMs,
      dispose: ({ about }, question) => this.#unlist(about, question),
    })
  }

  get(question: string): Asked | undefined {
    return this.#answers.get(question)
  }

  /** Keeps an answer, unless it turns out to be none. */
  keep(question: string, userId: string, channel: string, answer: Promise<Role | null>): Asked {
    const asked: Asked = { about: aboutOf(userId, channel), answer, forgotten: false }
    this.#answers.set(question, asked)
    const questions = this.#questions.get(asked.about)
    if (questions) questions.add(question)
    else this.#questions.set(asked.about, new Set([question]))
    answer.catch(() => {
      if (this.#answers.peek(question, { allowStale: true }) === asked) this.#answers.delete(question)
    })
    return asked
  }

  forget(userId: string, channel: string): void {
    for (const question of [...(this.#questions.get(aboutOf(userId, channel)) ?? [])]) {
      const asked = this.#answers.peek(question, { allowStale: true })
      if (asked) asked.forgotten = true
      this.#answers.delete(question)
    }
  }

  clear(): void {
    this.#answers.clear()
  }

  #unlist(about: string, question: string): void {
    const questions = this.#questions.get(about)
    questions?.delete(question)
    if (questions?.size === 0) this.#questions.delete(about)
  }
}

/** Neither an id nor an address has a line break in it. */
function aboutOf(userId: string, channel: string): string {
  return `${userId}\n${channel}`
}
