import { createServer, type Server } from 'node:http'
import type { RequestHandler } from 'express'
import type { Metrics } from '../observe/metrics.ts'

/** `GET /metrics`: the Prometheus text. */
export function metricsHandler(metrics: Metrics): RequestHandler {
  return async (_request, response) => {
    const text = await metrics.text()
    response.set('Content-Type', metrics.contentType).send(text)
  }
}

/** The same on a port of its own, without a key: for a scraper in a private network. */
export function metricsServer(metrics: Metrics): Server {
  return createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
}
