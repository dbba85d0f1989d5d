import { expect, test } from 'vitest'
import { CLIENT_EVENTS } from '../../../src/protocol/client-events.ts'
import { factName, upperName } from '../../../src/server/dialects/names.ts'

test('[D1] every fact of the protocol has a name in capitals, and that leads back to it', () => {
  const facts = Object.entries(CLIENT_EVENTS).filter(([, { kind }]) => kind === 'fact')
  for (const [name] of facts) expect(factName(upperName(name))).toBe(name)
  expect(upperName('task:update')).toBe('TASK_UPDATE')
  expect(upperName('project:delete-all')).toBe('PROJECT_DELETE_ALL')
  expect(factName('PROJECT_DELETE_ALL')).toBe('project:delete-all')
})

test('what is no such name is none', () => {
  const none = [
    '',
    'TEST',
    'task:update',
    'Task_Update',
    'TASK_',
    '_TASK',
    'TASK__UPDATE',
    'TASK_2',
    '1_A',
    'A B',
    'A_Ä',
  ]
  for (const name of none) expect(factName(name), name).toBeUndefined()
})
