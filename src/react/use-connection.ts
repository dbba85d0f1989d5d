import { useSyncExternalStore } from 'react'
import type { ClientState } from '../client/index.ts'
import { useClient } from './use-client.ts'

/**
 * The state of the connection; `idle` while rendering on a server.
 * @example const offline = useConnection() !== 'connected'
 */
export function useConnection(): ClientState {
  const client = useClient()
  return useSyncExternalStore(
    client.onState,
    () => client.state,
    () => 'idle',
  )
}
