import { z } from 'zod'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { asyncApi } from './asyncapi.ts'
import { openApi } from './openapi.ts'
import { type Route, route } from './route.ts'

/** The rows that tell what there is: `/openapi.json` of all rows, these too, and `/asyncapi.json`. Each is made once. */
export function selfDescription(routes: readonly Route[], events: ReadonlyMap<string, ClientEvent>): readonly Route[] {
  const told: readonly Route[] = [
    documentRoute('/openapi.json', 'getOpenApi', 'This document.', () => openApi([...routes, ...told])),
    documentRoute('/asyncapi.json', 'getAsyncApi', 'What is said over sockets, as AsyncAPI 3.0.', () =>
      asyncApi(events),
    ),
  ]
  return told
}

function documentRoute(path: string, name: string, summary: string, make: () => object): Route {
  let text: string | undefined
  return route({
    method: 'get',
    path,
    name,
    summary,
    may: 'public',
    reply: z.looseObject({}),
    contentType: 'application/json; charset=utf-8',
    handle() {
      text ??= JSON.stringify(make())
      return text
    },
  })
}
