import { describe, expect, test } from 'vitest'
import { ownDashboard } from '../../../src/protocol/own-dashboard.ts'
import type { ServerOptions } from '../../../src/server/server.ts'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectRefusal, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { json, startApp } from './app.ts'

const ANNS = 'dashboard:user-ann'

test('[D2] the address of an own dashboard is readable where the id is, and tells ids apart', () => {
  expect(ownDashboard('ann')).toBe(ANNS)
  const ids = ['auth0|123', 'auth0 123', 'ünïcødé', '日本', '😀', '~', 'a'.repeat(124), "it's"]
  for (const id of ids) {
    const encoded = Buffer.from(id).toString('base64url')
    expect(ownDashboard(id), id).toBe(encoded.length <= 123 ? `dashboard:user.${encoded}` : undefined)
  }
  expect(ownDashboard('a'.repeat(123))).toBe(`dashboard:user-${'a'.repeat(123)}`)
})

describe('[D2] an own dashboard', () => {
  const policies: [string, () => Promise<ServerOptions>][] = [
    ['open', async () => ({ access: 'open' })],
    ['claims', async () => ({ access: 'claims' })],
    ['members', async () => ({ access: 'members' })],
    [
      'webhook',
      async () => ({
        access: 'webhook',
        accessWebhookUrl: (await startApp(json({ role: 'none' }))).url,
        accessWebhookSecret: 'a-secret-of-the-webhook-that-is-long-enough',
      }),
    ],
  ]
  test.each(policies)(
    'with ACCESS=%s is edited by its owner, and by nobody else unless a member row says so',
    async (_name, options) => {
      const server = await startServer({ apiKeys: [KEY], ...(await options()) })
      const api = await apiOf(server)
      const [ann, odd, ben] = [
        await connect(server, 'ann'),
        await connect(server, 'auth0|123'),
        await connect(server, 'ben'),
      ]
      expect(await join(ann, ANNS)).toMatchObject({ role: 'editor' })
      expect(await join(odd, ownDashboard('auth0|123') as string)).toMatchObject({ role: 'editor' })
      const oddOnes = ownDashboard('auth0|123') as string
      for (const channel of [ANNS, oddOnes, 'dashboard:user-a', 'dashboard:user.x']) {
        expect(await expectRefusal(ben, 'channel:join', { channel })).toMatchObject({ code: 'forbidden' })
      }
      await api('PUT', `/api/v1/channels/${ANNS}/members/ben`, { role: 'viewer' })
      expect(await join(ben, ANNS)).toMatchObject({ role: 'viewer' })
      // Of the owner too a row wins.
      await api('PUT', `/api/v1/channels/${ANNS}/members/ann`, { role: 'none' })
      expect(await expectRefusal(ann, 'channel:join', { channel: ANNS })).toMatchObject({ code: 'forbidden' })
    },
  )

  test('may be opened to others by a token’s claims, and ordinary dashboards are as the policy says', async () => {
    const server = await startServer({ access: 'claims' })
    const token = tokenFor('ben', { channels: { [ANNS]: 'viewer' }, dashboards: ['d1'] })
    const ben = await connect(server, 'ben', { token })
    expect(await join(ben, ANNS)).toMatchObject({ role: 'viewer' })
    expect(await join(ben, 'dashboard:d1')).toMatchObject({ role: 'editor' })
    const open = await startServer({ access: 'open' })
    const cat = await connect(open, 'cat')
    expect(await join(cat, 'dashboard:user')).toMatchObject({ role: 'editor' })
    expect(await join(cat, 'dashboard:users')).toMatchObject({ role: 'editor' })
  })
})
