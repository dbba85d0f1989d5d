import type { WebSocket } from 'ws'

/** Pings a client now and then, and cuts one from which nothing at all came within a while after. Returns the stop. */
export function heartbeat(ws: WebSocket, intervalMs: number, timeoutMs: number): () => void {
  let alive = true
  let timer: NodeJS.Timeout
  const heard = () => {
    alive = true
  }

  function beat(): void {
    alive = false
    ws.ping()
    timer = setTimeout(() => {
      // While nothing is read, nothing can be heard.
      if (alive || ws.isPaused) timer = setTimeout(beat, Math.max(0, intervalMs - timeoutMs)).unref()
      else ws.terminate()
    }, timeoutMs).unref()
  }

  ws.on('pong', heard)
  ws.on('ping', heard)
  ws.on('message', heard)
  timer = setTimeout(beat, intervalMs).unref()
  return () => clearTimeout(timer)
}
