import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect } from 'vitest'
import { FACT_TYPE } from '../../src/protocol/envelope.ts'

type Schema = Readonly<Record<string, unknown>>

interface Response {
  readonly $ref?: string
  readonly description: string
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
  readonly requestBody?: unknown
  readonly responses: Readonly<Record<string, Response>>
}

/** `/openapi.json`, as far as it is looked into here. */
export interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>
    readonly responses: Readonly<Record<string, Response>>
    readonly securitySchemes: Readonly<Record<string, unknown>>
  }
}

interface Messages {
  readonly messages: Readonly<Record<string, { readonly name: string; readonly payload: Schema }>>
}

/** `/asyncapi.json`, as far as it is looked into here. */
export interface AsyncApi {
  readonly asyncapi: string
  readonly channels: { readonly requests: Messages; readonly replies: Messages; readonly events: Messages }
  readonly operations: Readonly<Record<string, { readonly action: string }>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

export async function openApiOf(server: { readonly url: string }): Promise<OpenApi> {
  return (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApi
}

export async function asyncApiOf(server: { readonly url: string }): Promise<AsyncApi> {
  return (await (await fetch(`${server.url}/asyncapi.json`)).json()) as AsyncApi
}

/** Expects an HTTP answer to be as the document says: its route, its status, and each field of it by name. */
export function expectDescribed(document: OpenApi, method: string, path: string, status: number, body: unknown): void {
  const what = `${method} ${path} ${status}`
  const template = templateOf(document, path.replace(/[?#].*/, ''))
  const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()]
  expect(operation, `${method} ${path}: no such operation in /openapi.json`).toBeDefined()
  const responses = operation?.responses ?? {}
  expect(Object.keys(responses), `${what}: no such status in /openapi.json`).toContain(String(status))
  const response = responses[status]
  const found = response?.$ref ? document.components.responses[response.$ref.split('/').at(-1) ?? ''] : response
  const [content] = Object.values(found?.content ?? {})
  expect(content, `${what}: no content in /openapi.json`).toBeDefined()
  if (content) expectValid(document, content.schema, body, what)
}

/** Expects an event that a client received to be as the document says. */
export function expectEventDescribed(document: AsyncApi, event: string, body: unknown): void {
  const { messages } = document.channels.events
  const message = messages[event] ?? (FACT_TYPE.test(event) ? messages.fact : undefined)
  expect(message, `no event ${event} in /asyncapi.json`).toBeDefined()
  if (message) expectValid(document, message.payload, body, event)
}

/** Expects what a request was acknowledged with, `ok` or refused, to be as the document says. */
export function expectReplyDescribed(document: AsyncApi, request: string, reply: unknown): void {
  const message = document.channels.replies.messages[request]
  expect(message, `no reply to ${request} in /asyncapi.json`).toBeDefined()
  if (message) expectValid(document, message.payload, reply, `the reply to ${request}`)
}

function templateOf(document: OpenApi, path: string): string | undefined {
  const templates = Object.keys(document.paths)
  if (templates.includes(path)) return path
  return templates.find((template) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))
}

const validators = new WeakMap<object, ValidateFunction>()

function expectValid(document: OpenApi | AsyncApi, schema: Schema, body: unknown, what: string): void {
  const validate = validators.get(schema) ?? compiled(document, schema)
  validators.set(schema, validate)
  const errors = validate(body) ? [] : (validate.errors ?? [])
  const said = errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
  expect(said, `${what} is not as described: ${JSON.stringify(body)?.slice(0, 500)}`).toEqual([])
}

function compiled(document: OpenApi | AsyncApi, schema: Schema): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  const schemas = Object.entries(document.components.schemas).map(([name, one]) => [name, closed(one)])
  return ajv.compile({ ...(closed(schema) as object), components: { schemas: Object.fromEntries(schemas) } })
}

/**
 * The schema without room for fields that it does not name. The document leaves that room, for newer servers; here it
 * would hide a misnamed field. A part of `allOf` stays open, for what the other parts name.
 */
function closed(schema: unknown, isPart = false): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  const copy: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) copy[keyword] = closedBelow(keyword, value, isPart)
  const names = 'properties' in copy || 'allOf' in copy
  if (names && !isPart && copy.additionalProperties === undefined) copy.unevaluatedProperties = false
  return copy
}

function closedBelow(keyword: string, value: unknown, isPart: boolean): unknown {
  if (keyword === 'items') return closed(value)
  if (keyword === 'allOf') return (value as unknown[]).map((one) => closed(one, true))
  if (keyword === 'anyOf' || keyword === 'oneOf') return (value as unknown[]).map((one) => closed(one, isPart))
  if (keyword !== 'properties') return value
  return Object.fromEntries(Object.entries(value as object).map(([name, one]) => [name, closed(one)]))
}
