import type { Command } from 'commander'
import * as argument from './arguments.ts'
import { readOnly } from './read-only.ts'
import { Refusal } from './refusal.ts'

interface PublishOptions {
  readonly url: string
  readonly key?: string
  readonly operationId?: string
  readonly user?: string
}

const ANSWER_WITHIN_MS = 30_000

/** `convene publish`: one fact through the service API. */
export function addPublish(program: Command): void {
  program
    .command('publish')
    .description('publish one fact as an app server does, and print its place as JSON')
    .argument('<channel>', 'like project:p1', argument.channel)
    .argument('<type>', 'like task:update', argument.factType)
    .argument('<json>', `the payload, like '{"id":"t1"}'`, argument.jsonObject)
    .option('--url <url>', 'where the server is', argument.serverUrl, 'http://localhost:3001')
    .option('--key <key>', 'a key of the service API (default: the first of API_KEYS)')
    .option('--operation-id <id>', 'publishing again with the same id changes nothing')
    .option('--user <id>', 'on whose behalf', argument.userId)
    .action(publish)
}

/** @throws Refusal with exit code 1 when the server cannot be reached or refuses */
async function publish(channel: string, type: string, payload: object, options: PublishOptions): Promise<void> {
  const { url, operationId, user } = options
  const key = options.key ?? readOnly(['apiKeys']).apiKeys[0]
  const response = await fetch(`${url}/api/v1/channels/${encodeURIComponent(channel)}/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(key !== undefined && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ type, payload, operationId, userId: user }),
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((error: unknown) => {
    throw new Refusal(1, `No answer from ${url}: ${reasonOf(error)}`)
  })
  const body = (await response.json().catch(() => undefined)) as
    | { results?: readonly object[]; error?: { message?: string } }
    | undefined
  const result = body?.results?.[0]
  if (result) console.log(JSON.stringify(result))
  else throw new Refusal(1, body?.error?.message ?? `${url} answered ${response.status}, and not as Convene does.`)
}

/** fetch says only that it failed; why stands in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error as { cause?: { code?: string; message?: string } }
  return cause?.message || cause?.code || error.message
}
