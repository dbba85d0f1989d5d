import { setTimeout as sleep } from 'node:timers/promises'

/** A measurement that must not be reported: the message says why. */
export class Refused extends Error {
  name = 'Refused'
}

/** One that says nothing because of what else ran on the machine, or because of the generator: worth another try. */
export class Disturbed extends Refused {}

const ATTEMPTS = 5
const PAUSE_MS = 2000 // for what disturbed to pass

/** Measures again what was disturbed, and gives up when it always is. */
export async function undisturbed(measurement) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await measurement()
    } catch (error) {
      if (!(error instanceof Disturbed) || attempt === ATTEMPTS) throw error
      console.log(`        once more: ${error.message}`)
      await sleep(PAUSE_MS)
    }
  }
}
