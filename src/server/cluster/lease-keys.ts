/** Where leases and what is shown under them are in Redis. */
export class LeaseKeys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Sorted set: each node by its last beat, in ms of Redis. */
  get nodes(): string {
    return `${this.#prefix}:nodes`
  }

  /** Set: the scopes in which a node shows something, so that who finds it dead can clear up. */
  scopesOf(node: string): string {
    return `${this.#prefix}:shows:${node}`
  }

  /** Hash: what is shown in a scope, by `<node> <key>`. A node's name holds no space. */
  shown(scope: string): string {
    return `${this.#prefix}:shown:${scope}`
  }

  /** What a value is sealed for. */
  place(scope: string, key: string): string {
    return JSON.stringify([this.#prefix, scope, key])
  }
}
