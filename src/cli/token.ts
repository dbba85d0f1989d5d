import { type Command, Option } from 'commander'
import type { Role } from '../protocol/roles.ts'
import * as argument from './arguments.ts'
import { Refusal } from './refusal.ts'
import { signToken } from './sign-token.ts'

interface TokenOptions {
  readonly name?: string
  readonly channels?: readonly string[]
  readonly role?: Role
  readonly expires: number
}

/** `convene token`: a signed token on stdout, and nothing else. */
export function addToken(program: Command): void {
  program
    .command('token')
    .description('print a token for somebody, signed with the first JWT_SECRET or the generated one of development')
    .argument('<userId>', 'who it is for', argument.userId)
    .option('--name <name>', 'the name others see')
    .option('--channels <list>', 'where it gives a role with ACCESS=claims, like project:p1,room:*', argument.channels)
    .option('--role <role>', 'viewer, commenter, editor (the default) or admin', argument.role)
    .addOption(
      new Option('--expires <duration>', 'how long it is good, like 30m, 1h or 7d')
        .argParser(argument.duration)
        .default(3600, '1h'),
    )
    .action(async (userId: string, options: TokenOptions) => {
      const { name, expires } = options
      console.log(
        await signToken({ sub: userId, ...(name !== undefined && { name }), ...accessClaims(options) }, expires),
      )
    })
}

/** What the policy `claims` reads: a list of channels for an editor, channels and their role, or admin everywhere. */
function accessClaims({ channels, role }: TokenOptions): object {
  if (channels) return { channels: role ? Object.fromEntries(channels.map((name) => [name, role])) : channels }
  if (role === undefined) return {}
  if (role === 'admin') return { role }
  throw new Refusal(2, `error: --role ${role} wants --channels, to say where; only admin is a role everywhere.`)
}
