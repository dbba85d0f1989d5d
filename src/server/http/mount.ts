import type { Express, Request, Response } from 'express'
import { z } from 'zod'
import { ConveneError, parseBody } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import type { Logger } from '../observe/logger.ts'
import type { WhoCalls } from './callers.ts'
import { isDeeper } from './depth.ts'
import { errorOf } from './errors.ts'
import { readJson, requireJson } from './json-body.ts'
import { OtherStatus, type Route } from './route.ts'

export interface MountOptions {
  readonly whoCalls: WhoCalls
  readonly logger: Logger
  isDraining(): boolean
}

/** Has an Express app serve the rows: who asks, what of, and the answer. */
export function mount(app: Express, routes: readonly Route[], options: MountOptions): void {
  for (const route of routes) {
    app[route.method](route.path, async (request, response) => {
      try {
        send(response, route, await answer(route, request, response, options))
      } catch (thrown) {
        if (!route.failure) throw thrown
        send(response, route, route.failure(errorOf(thrown, options.logger, request.method).toBody()))
      }
    })
  }
}

async function answer(route: Route, request: Request, response: Response, options: MountOptions): Promise<unknown> {
  const caller = route.may === 'public' ? undefined : await options.whoCalls(request, response, route.may)
  if (route.method !== 'get') {
    if (options.isDraining()) throw new ConveneError('draining', 'Server is draining', { retryAfterMs: 1000 })
    requireJson(request)
    await readJson(request, response)
  }
  return route.handle({ ...asked(route, request), caller, host: request.get('host') ?? '' })
}

function asked(route: Route, request: Request) {
  const { params, query, body } = route
  return {
    params: params && parseBody(params, fromText(params, request.params), 'path'),
    query: query && parseBody(query, fromText(query, request.query), 'query'),
    body: body ? bodyOf(body, request.body) : (request.body as unknown),
  }
}

function bodyOf(schema: z.ZodType, given: unknown): unknown {
  if (isDeeper(given, MAX_DEPTH)) {
    throw new ConveneError('invalid', `body: expected at most ${MAX_DEPTH} levels of arrays and objects`)
  }
  return parseBody(schema, given, 'body')
}

function send(response: Response, route: Route, answer: unknown): void {
  if (answer instanceof OtherStatus) response.status(answer.status).set(answer.headers).json(answer.body)
  else if (route.contentType) response.set('Content-Type', route.contentType).send(answer)
  else response.json(route.exact ? answer : { success: true, ...(answer as object) })
}

/** The fields of a schema out of a path or a query, where numbers are text. */
function fromText(schema: z.ZodObject, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = Object.entries(schema.shape).filter(([name]) => given[name] !== undefined)
  return Object.fromEntries(
    fields.map(([name, field]) => [name, isNumber(field) ? numberOf(given[name]) : given[name]]),
  )
}

function isNumber(field: z.core.$ZodType): boolean {
  if (field instanceof z.ZodOptional || field instanceof z.ZodDefault) return isNumber(field.unwrap())
  return field instanceof z.ZodNumber
}

/** What is no number stays as it is, for the schema to refuse by its name. */
function numberOf(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
}
