import { createServer, type Server } from 'node:http'
import { z } from 'zod'
import type { Metrics } from '../observe/metrics.ts'
import { type Route, route } from './route.ts'

/** `GET /metrics`: the Prometheus text. */
export function metricsRoutes(metrics: Metrics): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/metrics',
      name: 'getMetrics',
      summary: 'The metrics of this instance, for Prometheus.',
      may: 'key',
      reply: z.string(),
      contentType: metrics.contentType,
      handle: () => metrics.text(),
    }),
  ]
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
