/** A command that cannot do what it was asked: the sentence for stderr, and the exit code. 2: asked wrongly. 1: failed. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly exitCode: 1 | 2

  constructor(exitCode: 1 | 2, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}
