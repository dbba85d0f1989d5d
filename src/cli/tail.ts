import type { Command } from 'commander'
import { createClient } from '../client/client.ts'
import type { Position } from '../protocol/envelope.ts'
import * as argument from './arguments.ts'
import { factLine, gapLine } from './lines.ts'
import { Refusal } from './refusal.ts'
import { signToken } from './sign-token.ts'

interface TailOptions {
  readonly url: string
  readonly token?: string
  readonly since?: Position
  readonly last?: number
  readonly json?: boolean
}

const TOKEN_SECONDS = 3600

/** `convene tail`: a channel's facts as they come, until Ctrl-C. */
export function addTail(program: Command): void {
  program
    .command('tail')
    .description("show a channel's facts as they come, one a line, until Ctrl-C")
    .argument('<channel>', 'like project:p1', argument.channel)
    .option('--url <url>', 'where the server is', argument.serverUrl, 'http://localhost:3001')
    .option('--token <token>', 'whose eyes to see with (default: one signed for an admin called tail)')
    .option('--since <epoch:seq>', 'begin after this position', argument.since)
    .option('--last <n>', 'begin with so many of the latest facts, 300 at most', argument.last)
    .option('--json', 'whole envelopes, one a line')
    .action(tail)
}

/** @throws Refusal with exit code 1 when the server says no for good, 2 when asked wrongly */
async function tail(address: string, { url, token, since, last, json = false }: TailOptions): Promise<void> {
  if (since && last !== undefined) throw new Refusal(2, 'error: --since and --last exclude each other; give one.')
  const sign = () => signToken({ sub: 'tail', role: 'admin' }, TOKEN_SECONDS)
  // What cannot be signed is told at once, not tried for ever.
  if (token === undefined) await sign()
  const client = createClient({ url, token: token ?? sign })
  const channel = client.channel(address)
  channel.on('*', (fact) => console.log(factLine(fact, json)))

  const ended = new Promise<void>((resolve, reject) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
    // Whoever reads this has gone, like head does.
    process.stdout.once('error', () => resolve())
    channel.onDiscontinuity((reason) => {
      if (reason === 'left') reject(new Refusal(1, `The right to read ${address} was withdrawn.`))
      else console.log(gapLine(reason, json))
    })
    client.onState((state, reason) => {
      const why = reason ? `: ${reason.message}` : ''
      if (state === 'refused') reject(new Refusal(1, `${url} refused${why}`))
      else if (state === 'reconnecting') console.error(`No connection to ${url}${why}; trying again`)
      else if (state === 'connected') console.error(`Connected to ${url}`)
    })
    channel
      .join({ ...(since && { since }), ...(last !== undefined && { last }) })
      .then(({ head }) => console.error(`Following ${address} from #${head}`))
      .catch(reject)
  })
  client.connect()
  await ended.finally(() => client.close())
}
