/** The protocol's version, told in `connected`. A change of any schema is a new one (test/protocol/schema-hash.test.ts). */
export const PROTOCOL_VERSION = 1
