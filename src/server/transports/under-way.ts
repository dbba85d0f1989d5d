// More than that at once, and a client is served faster than anybody can see, or asks for it to be.
const MANY = 64
const MANY_CHARS = 262_144

/** What one client has asked for and has not been answered yet. */
export class UnderWay {
  readonly #changed: () => void
  #requests = 0
  #chars = 0
  #whenNone: (() => void)[] = []

  /** `changed` is called when it has become much, and when it is not any more. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  /** Whether nothing more should be read for now. */
  get isMuch(): boolean {
    return this.#requests >= MANY || this.#chars > MANY_CHARS
  }

  /** `served` never rejects; `chars` is how long its request was. */
  add(served: Promise<void>, chars: number): void {
    this.#count(1, chars)
    void served.then(() => this.#count(-1, -chars))
  }

  /** Resolves when nothing is. */
  async none(): Promise<void> {
    if (this.#requests > 0) await new Promise<void>((resolve) => this.#whenNone.push(resolve))
  }

  #count(requests: number, chars: number): void {
    const wasMuch = this.isMuch
    this.#requests += requests
    this.#chars += chars
    if (this.isMuch !== wasMuch) this.#changed()
    if (this.#requests === 0) for (const none of this.#whenNone.splice(0)) none()
  }
}
