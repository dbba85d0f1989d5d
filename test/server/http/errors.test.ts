import { expect, test } from 'vitest'
import { ConveneError } from '../../../src/protocol/errors.ts'
import { toldOf } from '../../../src/server/http/errors.ts'
import { createLogger } from '../../../src/server/observe/logger.ts'

test('[API3] what is unavailable is logged in its own words with its cause; without one it was logged before', () => {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const logger = createLogger({ level: 'error', pretty: false, serverId: 's1' }, destination)
  const told = new ConveneError('unavailable', 'The app does not answer', { cause: 'the access webhook: ECONNREFUSED' })
  expect(toldOf(told, logger, 'GET')).toBe(told)
  toldOf(new ConveneError('unavailable', 'The app does not answer'), logger, 'GET')
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 'error', msg: 'The app does not answer', err: 'the access webhook: ECONNREFUSED' },
  ])
  toldOf(new TypeError('a slip'), logger, 'GET')
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ msg: 'an HTTP request failed', err: { message: 'a slip' } })
})
