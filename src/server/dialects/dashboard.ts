import { ERRORS, type ErrorBody } from '../../protocol/errors.ts'
import { DashboardClient } from './dashboard-client.ts'
import { freshId } from './dashboard-frame.ts'
import type { Closing, Door } from './dialect.ts'

/** The way in for the dashboard's clients. */
export const dashboard: Door = {
  paths: ['/api/realtime', '/realtime'],
  counts: 'people',
  letsInNobody: false,
  sessionId: () => freshId('client'),
  closing: closingOf,
  speak: (self) => new DashboardClient(self),
}

function closingOf({ code }: ErrorBody): Closing | undefined {
  switch (code) {
    case 'unauthenticated':
    case 'token_expired':
    case 'revoked':
    case 'forbidden':
      return { code: 1008, reason: 'Unauthorized' }
    case 'rate_limited':
      return { code: 1008, reason: 'Rate limit exceeded' }
    // Not 1000, as the original: that would tell the client to stay away.
    case 'draining':
      return { code: ERRORS.draining.close, reason: 'Server shutting down' }
    default:
      return undefined
  }
}
