import { expect, test } from 'vitest'
import * as client from '../src/client/index.ts'
import * as protocol from '../src/protocol/index.ts'
import * as react from '../src/react/index.ts'
import * as server from '../src/server/index.ts'

// Tripwire: what is exported is promised. Adding is easy; taking away breaks somebody.
test('the public names of each entry point', () => {
  const names = (entry: object) => Object.keys(entry).sort()
  expect({
    server: names(server),
    protocol: names(protocol),
    client: names(client),
    react: names(react),
  }).toMatchInlineSnapshot(`
    {
      "client": [
        "ConveneError",
        "createClient",
      ],
      "protocol": [
        "CHANNEL_KINDS",
        "CLIENT_EVENTS",
        "ConveneError",
        "ERRORS",
        "PROTOCOL_VERSION",
        "RIGHTS",
        "ROLES",
        "SERVER_EVENTS",
        "allows",
        "channelAddress",
        "clientEvents",
        "envelope",
        "isChannelAddress",
      ],
      "react": [
        "ConveneProvider",
        "useConnection",
        "useFacts",
        "usePublish",
      ],
      "server": [
        "ConfigError",
        "ConveneError",
        "createServer",
        "readOptions",
      ],
    }
  `)
})
