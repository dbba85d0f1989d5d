import type { Server } from 'node:http'

const BACKLOG = 4096 // more waiting connections than Node's 511: a node that comes back meets a storm

/** Resolves when a server listens; rejects when it cannot. */
export function listening(http: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen({ port, host, backlog: BACKLOG }, () => {
      http.off('error', reject)
      resolve()
    })
  })
}
