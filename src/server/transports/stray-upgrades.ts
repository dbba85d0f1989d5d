import type { Server as HttpServer } from 'node:http'

const ANSWER = JSON.stringify({
  success: false,
  error: { code: 'not_found', message: 'Nothing is upgraded here; connect to /socket.io/', retryable: false },
})
const RESPONSE = [
  'HTTP/1.1 404 Not Found',
  'Connection: close',
  'Content-Type: application/json',
  `Content-Length: ${Buffer.byteLength(ANSWER)}`,
  '',
  ANSWER,
].join('\r\n')

/**
 * Answers requests to upgrade that no door takes. Node hands them over whole as soon as anybody takes upgrades, and sets
 * them no timeout: a client that asks for `h2c`, as Java's does, would wait for ever, and a server that closes for it.
 * For an HTTP server of our own; on an app's the app may have other doors.
 */
export function refuseStrayUpgrades(http: HttpServer, isTaken: (url: string) => boolean): void {
  http.on('upgrade', (request, socket) => {
    if (isTaken(request.url ?? '')) return
    socket.on('error', () => {})
    socket.end(RESPONSE, () => socket.destroy())
  })
}
