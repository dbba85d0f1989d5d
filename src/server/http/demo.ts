import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import express, { type RequestHandler, Router } from 'express'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { ConveneError, parseBody } from '../../protocol/errors.ts'
import { jsonBody } from './json-body.ts'
import { isLocal } from './keys.ts'

const person = z.object({ id: z.string().regex(/^[a-z0-9-]{1,32}$/), name: z.string().min(1).max(64) })

export interface DemoOptions {
  /** The folder that has `demo/`. */
  readonly root: string
  /** What signs its people's tokens; none where only public keys are known. */
  readonly secret: string | undefined
  /** What this server wants to find in a token. */
  readonly issuer: string | undefined
  readonly audience: string | undefined
}

/** The demo page at `/`, and tokens for its people. Only in development, only for this computer. */
export function demoRoutes({ root, secret, issuer, audience }: DemoOptions): Router {
  const router = Router()
  // Files are sent from a root: a whole path with a dot in front of a folder, like ~/.npm/_npx, would be refused.
  const files = join(root, 'demo')
  // Wherever the client is installed: as a dependency Convene has no node_modules of its own.
  const client = dirname(createRequire(import.meta.url).resolve('socket.io-client/package.json'))

  router.get('/', (request, response, next) => {
    if (!request.accepts(['json', 'html']) || request.accepts(['json', 'html']) === 'json') next()
    else response.sendFile('index.html', { root: files })
  })
  router.get('/demo/socket.io.js', (_request, response) => {
    response.sendFile('socket.io.esm.min.js', { root: join(client, 'dist') })
  })
  router.use('/demo', express.static(files, { index: false }))

  router.post('/demo/token', localOnly, jsonBody, (request, response) => {
    if (secret === undefined) {
      throw new ConveneError(
        'not_found',
        'The demo cannot sign tokens: this server verifies with a public key. Set JWT_SECRET as well',
      )
    }
    const { id, name } = parseBody(person, request.body, 'person')
    const claims = { sub: id, name, ...(issuer && { iss: issuer }), ...(audience && { aud: audience }) }
    response.json({ token: jwt.sign(claims, secret, { algorithm: 'HS256', expiresIn: '1h' }) })
  })

  return router
}

const localOnly: RequestHandler = (request, _response, next) => {
  if (!isLocal(request)) {
    throw new ConveneError('forbidden', 'The demo gives tokens to this computer only; open it as http://localhost')
  }
  next()
}
