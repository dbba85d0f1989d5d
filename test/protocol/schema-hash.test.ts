import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { CLIENT_EVENTS } from '../../src/protocol/client-events.ts'
import { envelope } from '../../src/protocol/envelope.ts'
import { ERRORS, errorBody } from '../../src/protocol/errors.ts'
import { RIGHTS, ROLES } from '../../src/protocol/roles.ts'
import { SERVER_EVENTS } from '../../src/protocol/server-events.ts'
import { PROTOCOL_VERSION } from '../../src/protocol/version.ts'

/**
 * The whole contract, as far as schemas can say it, by its version. When this is red, the contract has changed: see
 * whether clients of the old one still work. If they do, write the new hash here; if not, raise PROTOCOL_VERSION as well.
 */
const HASHES: Record<number, string> = {
  1: '4ac5f029f7ec02fe',
}

test('tripwire: the schemas are those of the protocol version', () => {
  const schemaOf = (schema: z.ZodType) => z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' })
  const contract = {
    clientEvents: Object.entries(CLIENT_EVENTS).map(([name, { kind, needs, joined, body, reply }]) => ({
      name,
      kind,
      needs,
      joined,
      body: schemaOf(body),
      reply: schemaOf(reply),
    })),
    serverEvents: Object.entries(SERVER_EVENTS).map(([name, body]) => ({ name, body: schemaOf(body) })),
    envelope: schemaOf(envelope),
    error: schemaOf(errorBody),
    ERRORS,
    ROLES,
    RIGHTS,
  }
  const hash = createHash('sha256').update(JSON.stringify(contract)).digest('hex').slice(0, 16)
  expect(hash).toBe(HASHES[PROTOCOL_VERSION])
})
