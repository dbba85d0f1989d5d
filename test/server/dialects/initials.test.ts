import { expect, test } from 'vitest'
import { initialsOf, shownOf } from '../../../src/server/dialects/initials.ts'

test('[D5] initials are those of first and last name, else of the name, else of the e-mail', () => {
  const said: [unknown, object][] = [
    [
      { name: 'Someone Else', firstName: 'Ann', lastName: 'Bee', email: 'x@x.io' },
      { name: 'Someone Else', initials: 'AB' },
    ],
    [
      { firstName: 'ann', lastName: 'bee' },
      { name: 'ann bee', initials: 'AB' },
    ],
    [
      { firstName: 'Ann', name: 'Cleo van der Dee' },
      { name: 'Cleo van der Dee', initials: 'CD' },
    ],
    [{ name: ' cher ' }, { name: 'cher', initials: 'C' }],
    [{ name: '  ', email: 'kim@x.io' }, { initials: 'KI' }],
    [{ email: 'k@x.io' }, { initials: 'K' }],
    [{ name: '😀 🎉' }, { name: '😀 🎉', initials: '😀🎉' }],
    [{ name: 7, firstName: null, lastName: {}, email: [] }, {}],
    ...[null, undefined, 'Ann Bee', 7, [], {}].map((userInfo): [unknown, object] => [userInfo, {}]),
  ]
  for (const [userInfo, shown] of said) expect(shownOf(userInfo), JSON.stringify(userInfo)).toEqual(shown)
  expect(shownOf({ name: 'x'.repeat(5000) }).name?.length).toBe(256)
})

test('[D5] somebody is listed under the initials they show, else their name’s, else the end of their id', () => {
  expect(initialsOf({ id: 'user_1ab', name: 'Ann Bee' }, { initials: 'zz' })).toBe('ZZ')
  expect(initialsOf({ id: 'user_1ab', name: 'Ann Bee' }, { initials: '' })).toBe('AB')
  expect(initialsOf({ id: 'user_1ab', name: 'Ann' }, {})).toBe('A')
  expect(initialsOf({ id: 'user_1ab' }, null)).toBe('AB')
  expect(initialsOf({ id: 'x' }, { initials: 7 })).toBe('X')
  expect(initialsOf({ id: 'u1' }, { initials: 'much too long for a badge' })).toBe('MUC')
})
