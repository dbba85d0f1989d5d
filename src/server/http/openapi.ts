import type { z } from 'zod'
import { PROTOCOL_VERSION } from '../../protocol/version.ts'
import { type JsonSchema, JsonSchemas } from './json-schema.ts'
import { json, Responses } from './responses.ts'
import type { May, Route } from './route.ts'

const SECURITY_SCHEMES = {
  bearerKey: { type: 'http', scheme: 'bearer', description: 'One of API_KEYS.' },
  headerKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'One of API_KEYS.' },
  userToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: "A person's token, as sockets use." },
}
const KEY = [{ bearerKey: [] }, { headerKey: [] }]
const USER = [{ userToken: [] }]
const SECURITY: Record<May, readonly object[]> = {
  public: [],
  key: KEY,
  user: USER,
  'key or user': [...KEY, ...USER],
  'older user': USER,
  'older user or nobody': [...USER, {}],
}

const SERVERS = [
  { url: '/' },
  {
    url: '/k/{key}',
    description: 'For callers that can set only a URL.',
    variables: { key: { default: 'key', description: 'One of API_KEYS, percent-encoded.' } },
  },
]

/** The OpenAPI 3.1 document of the rows. */
export function openApi(routes: readonly Route[]): JsonSchema {
  const schemas = new JsonSchemas()
  const responses = new Responses(schemas)
  const paths: Record<string, Record<string, JsonSchema>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    const { name, summary, may } = route
    const operation = {
      operationId: name,
      summary,
      security: SECURITY[may],
      ...inputOf(route, schemas),
      responses: responses.of(route),
    }
    paths[path] = { ...paths[path], [route.method]: operation }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Convene service API',
      version: String(PROTOCOL_VERSION),
      description: 'What a Convene server answers over HTTP. What it says over sockets is in /asyncapi.json.',
    },
    servers: SERVERS,
    paths,
    components: { securitySchemes: SECURITY_SCHEMES, schemas: schemas.named, responses: responses.named },
  }
}

function inputOf({ params, query, body, describedBody }: Route, schemas: JsonSchemas): JsonSchema {
  const parameters = [...parametersOf('path', params, schemas), ...parametersOf('query', query, schemas)]
  const sent = body ?? describedBody
  return {
    ...(parameters.length > 0 && { parameters }),
    ...(sent && { requestBody: { required: !sent.safeParse(undefined).success, content: json(schemas.input(sent)) } }),
  }
}

function parametersOf(place: 'path' | 'query', fields: z.ZodObject | undefined, schemas: JsonSchemas): JsonSchema[] {
  if (!fields) return []
  const { properties = {}, required = [] } = schemas.input(fields)
  return Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => ({
    name,
    in: place,
    required: (required as string[]).includes(name),
    schema,
  }))
}
