// One question to the app over HTTP: signed, bounded in time and size.
import { createHmac } from 'node:crypto'
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'

export interface Answer {
  readonly status: number
  readonly text: string
}

export interface ExchangeOptions {
  readonly url: string
  readonly secret: string
  /** For the whole exchange, from connecting to the last byte of the answer. */
  readonly timeoutMs: number
}

export interface Exchange {
  /** @throws Error whose message is fit for a log: it has nothing of the address, the secret or the question */
  post(body: string): Promise<Answer>
  /** Ends what is under way, and closes what is kept open. */
  stop(): void
}

const MAX_ANSWER_BYTES = 16_384
// When everybody comes back at once. What has waited too long for its turn counts as not answered: the app is too slow.
const MAX_AT_ONCE = 256
const MAX_KEPT_OPEN = 32

/** `t=<unix seconds>,v1=<hex of HMAC-SHA256>` over `<t>.<body>`: with the time in it, the app can refuse what is repeated. */
export function signatureOf(body: string, secret: string): string {
  const seconds = Math.floor(Date.now() / 1000)
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`
}

/** node:http and not fetch: connections of our own that end with us, and nothing that follows redirects. */
export function createExchange({ url, secret, timeoutMs }: ExchangeOptions): Exchange {
  const secure = new URL(url).protocol === 'https:'
  const limits = { keepAlive: true, maxSockets: MAX_AT_ONCE, maxFreeSockets: MAX_KEPT_OPEN }
  const agent = secure ? new HttpsAgent(limits) : new HttpAgent(limits)
  const underWay = new Set<(reason: Error) => void>()

  function open(body: string, fresh: boolean): ClientRequest {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'convene',
      'x-convene-signature': signatureOf(body, secret),
    }
    const options = { method: 'POST', headers, agent: fresh ? false : agent }
    return (secure ? requestHttps : requestHttp)(url, options).end(body)
  }

  function post(body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let request: ClientRequest
      const late = new Error(`no complete answer within ${timeoutMs} ms`)
      const timer = setTimeout(() => fail(late), timeoutMs).unref()

      function send(fresh: boolean): void {
        request = open(body, fresh)
        request.on('response', (response) => {
          const { statusCode: status = 0 } = response
          // What comes with another status says no more: it is read for the connection's sake, and may be a page of any size.
          if (status !== 200) resolve({ status, text: '' })
          textOf(response).then((text) => {
            end()
            resolve({ status, text })
          }, fail)
        })
        request.on('error', (error: NodeJS.ErrnoException) => {
          // The app closed a connection it had kept, just as it was taken up again.
          if (underWay.has(fail) && request.reusedSocket && error.code === 'ECONNRESET') send(true)
          else fail(error)
        })
      }
      function end(): void {
        clearTimeout(timer)
        underWay.delete(fail)
      }
      function fail(reason: Error): void {
        end()
        reject(fitForLog(reason))
        request.destroy()
      }
      underWay.add(fail)
      send(false)
    })
  }

  return {
    post,
    stop() {
      for (const fail of [...underWay]) fail(new Error('stopped'))
      agent.destroy()
    },
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Node's own errors repeat the address; their code says enough. */
function fitForLog(error: NodeJS.ErrnoException): Error {
  return error.code === undefined ? error : new Error(error.code)
}
