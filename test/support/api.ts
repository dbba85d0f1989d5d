import { expectDescribed, type OpenApi, openApiOf } from './described.ts'
import type { TestServer } from './start-server.ts'

/** A key for servers that are started with `apiKeys: [KEY]`. */
export const KEY = 'key-of-the-tests-0123456789'

/** What came, its fields as a test wants to see them. */
export interface Answer {
  readonly status: number
  // Whatever it is, /openapi.json has said so.
  readonly body: Record<string, unknown> & { readonly error?: Record<string, unknown> & { readonly code: string } }
  readonly headers: Headers
}

/** Calls a route as somebody: `key` alone is the service, a token its person, `null` nobody. */
export type Api = (method: string, path: string, body?: unknown, as?: string | null) => Promise<Answer>

/** A server's HTTP API. Each answer is held against the server's own /openapi.json. */
export async function apiOf(server: Pick<TestServer, 'url'>, document?: OpenApi): Promise<Api> {
  const described = document ?? (await openApiOf(server))
  return async (method, path, body, as = KEY) => {
    const response = await fetch(server.url + path, {
      method,
      headers: {
        ...(as !== null && { authorization: `Bearer ${as}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    const answer = (isJson ? JSON.parse(text) : text) as Answer['body']
    expectDescribed(described, method, path, response.status, answer)
    return { status: response.status, body: answer, headers: response.headers }
  }
}
