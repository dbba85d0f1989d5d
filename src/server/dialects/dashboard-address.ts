import { isChannelAddress } from '../../protocol/channel.ts'
import type { ErrorBody } from '../../protocol/errors.ts'
import { ownDashboard } from '../../protocol/own-dashboard.ts'

/** [D2] The dashboard that a client means, which names one or else has its own; or why there is none. */
export function dashboardOf(dashboardId: string | null | undefined, userId: string): string | ErrorBody {
  if (!dashboardId) {
    return ownDashboard(userId) ?? refusal('expected in the URL, as your id is too long to have a dashboard of its own')
  }
  const address = `dashboard:${dashboardId}`
  return isChannelAddress(address)
    ? address
    : refusal('expected at most 128 letters, digits and _ . @ -, the first a letter or digit')
}

function refusal(message: string): ErrorBody {
  return { code: 'invalid', message: `dashboardId: ${message}`, retryable: false }
}
