import { inspect } from 'node:util'

/** What the process itself has to say, beside the server's own log: JSON lines in production, text in development. */
export interface Journal {
  note(message: string, more: Readonly<Record<string, unknown>>): void
  failure(message: string, cause?: unknown): void
}

/** Notes go to stdout, failures to stderr, both at once: the process may be about to end. */
export function createJournal(production: boolean): Journal {
  const line = (level: string, msg: string, more: object): string =>
    JSON.stringify({ level, time: new Date().toISOString(), ...more, msg })
  if (production) {
    return {
      note: (message, more) => console.log(line('info', message, more)),
      failure: (message, cause) =>
        console.error(line('error', message, cause === undefined ? {} : { err: told(cause) })),
    }
  }
  return {
    note: (message, more) => console.log(message, more),
    failure: (message, cause) => console.error(cause === undefined ? message : `${message}: ${inspect(cause)}`),
  }
}

function told(cause: unknown): object {
  if (!(cause instanceof Error)) return { message: inspect(cause, { depth: 1 }) }
  return { type: cause.name, message: cause.message, stack: cause.stack }
}
