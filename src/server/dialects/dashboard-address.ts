import { isChannelAddress } from '../../protocol/channel.ts'
import type { ErrorBody } from '../../protocol/errors.ts'
import { ownDashboard } from '../../protocol/own-dashboard.ts'

/** [D2] Where a connection is: in the dashboard, or in the project, that its URL names; else in the person's own dashboard. */
export function placeIn(query: URLSearchParams, userId: string): string | ErrorBody {
  const projectId = query.get('projectId')
  if (!projectId || query.get('dashboardId')) return dashboardOf(query.get('dashboardId'), userId)
  return addressOf('project', projectId)
}

/** [D2] The dashboard that a client means, which names one or else has its own; or why there is none. */
export function dashboardOf(dashboardId: string | null | undefined, userId: string): string | ErrorBody {
  if (!dashboardId) {
    return ownDashboard(userId) ?? refusal('expected in the URL, as your id is too long to have a dashboard of its own')
  }
  return addressOf('dashboard', dashboardId)
}

function addressOf(kind: 'dashboard' | 'project', id: string): string | ErrorBody {
  const address = `${kind}:${id}`
  return isChannelAddress(address)
    ? address
    : refusal('expected at most 128 letters, digits and _ . @ -, the first a letter or digit', `${kind}Id`)
}

function refusal(message: string, field = 'dashboardId'): ErrorBody {
  return { code: 'invalid', message: `${field}: ${message}`, retryable: false }
}
