import { readFileSync } from 'node:fs'
import { keeper } from '../support/cleanup.ts'
import { type ProcessServer, startProcess } from '../support/process-server.ts'
import type { TcpProxy } from '../support/tcp-proxy.ts'
import type { ProcessLife } from './evidence.ts'

const ANSWERS_WITHIN_MS = 4000

export interface Readiness {
  readonly status: number
  /** `ok redis=ok`, say; `no answer` */
  readonly says: string
}

export interface NodePlace {
  readonly id: string
  readonly folder: string
  readonly main: string | undefined
  readonly env: Readonly<Record<string, string>>
  /** Its ways to Postgres and Redis. */
  readonly postgres: TcpProxy
  readonly redis: TcpProxy
}

/** One node, over all of its lives. */
export class ClusterNode {
  readonly id: string
  /** The same one in all of its lives. */
  port = 0
  readonly postgres: TcpProxy
  readonly redis: TcpProxy
  readonly #place: NodePlace
  readonly #past: ProcessLife[] = []
  #process: ProcessServer | undefined
  readonly #keep = keeper()
  #wanted = false

  constructor(place: NodePlace) {
    this.#place = place
    this.id = place.id
    this.postgres = place.postgres
    this.redis = place.redis
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get isUp(): boolean {
    return this.#process !== undefined
  }

  /** Every process that it has been, with the one that it is. */
  get lives(): ProcessLife[] {
    const output = this.#process?.output() ?? ''
    return [...this.#past, { node: this.id, ended: undefined, wanted: false, output }]
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    if (this.#process) return
    const { env, folder, main, id } = this.#place
    const all = { ...env, PORT: String(this.port), SERVER_ID: id }
    const server = await this.#keep(() => startProcess(all, { folder, ...(main !== undefined && { main }) }))
    this.#process = server
    this.port = server.port
    this.#wanted = false
    void server.exited.then((code) => {
      const life = { node: this.id, ended: code ?? 'a signal', wanted: this.#wanted, output: server.output() }
      this.#past.push(life)
      this.#process = undefined
    })
  }

  /** Resolves when it has ended, to its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const server = this.#process
    if (!server) return null
    this.#wanted = true
    server.kill(signal)
    return server.exited
  }

  /** Resolves when it has ended by itself, as it is meant to. */
  async dies(): Promise<void> {
    this.#wanted = true
    await this.#process?.exited
  }

  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  async readiness(): Promise<Readiness> {
    try {
      const response = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) })
      const { status, checks } = (await response.json()) as { status: string; checks: { redis: string } }
      return { status: response.status, says: `${status} redis=${checks.redis}` }
    } catch {
      return { status: 0, says: 'no answer' }
    }
  }

  /** Resident, MB; undefined while it is down. */
  get memoryMb(): number | undefined {
    const pid = this.#process?.pid
    if (pid === undefined) return undefined
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Math.round(Number(kb) / 1024)
  }
}
