/** What this node shows, as JSON: the original, of which Redis holds a copy that may be lost. */
export class ShownEntries {
  readonly #scopes = new Map<string, Map<string, string>>()

  /** Whether it is the first of its scope. */
  set(scope: string, key: string, text: string): boolean {
    const entries = this.#scopes.get(scope)
    if (entries) entries.set(key, text)
    else this.#scopes.set(scope, new Map([[key, text]]))
    return !entries
  }

  /** Whether it was there, and whether it was the last of its scope. */
  delete(scope: string, key: string): { readonly found: boolean; readonly last: boolean } {
    const entries = this.#scopes.get(scope)
    const found = entries?.delete(key) === true
    const last = found && entries.size === 0
    if (last) this.#scopes.delete(scope)
    return { found, last }
  }

  has(scope: string, key: string): boolean {
    return this.#scopes.get(scope)?.has(key) === true
  }

  scopes(): string[] {
    return [...this.#scopes.keys()]
  }

  /** Each key of a scope with its JSON. */
  of(scope: string): [string, string][] {
    return [...(this.#scopes.get(scope) ?? [])]
  }
}
