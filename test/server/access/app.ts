import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cleanup } from '../../support/cleanup.ts'

export interface Question {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingMessage['headers']
  /** As it came, for the signature. */
  readonly body: string
  readonly channel: string
  readonly response: ServerResponse
}

/** The application that decides about access, as a server of its own. */
export interface App {
  readonly url: string
  readonly server: Server
  /** All it was asked, the oldest first. */
  readonly questions: readonly Question[]
  /** How it answers from now on. */
  answers(how: (question: Question) => unknown): void
  connections(): Promise<number>
}

export function json(body: unknown, status = 200): (question: Question) => void {
  return ({ response }) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}

export async function startApp(how: (question: Question) => unknown = json({ role: 'editor' })): Promise<App> {
  const questions: Question[] = []
  let answer = how
  const server = createServer(async (request, response) => {
    const { method, url: path, headers } = request
    const body = Buffer.concat(await request.toArray()).toString('utf8')
    const channel = body === '' ? '' : String(JSON.parse(body).channel)
    const question = { method, path, headers, body, channel, response }
    questions.push(question)
    await answer(question)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/access`,
    server,
    questions,
    answers(next) {
      answer = next
    },
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
      }),
  }
}
