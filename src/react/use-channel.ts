import { useEffect } from 'react'
import { type SharedJoin, sharedJoin } from './shared-join.ts'
import { useClient } from './use-client.ts'

/** Keeps a channel joined while the component is mounted. */
export function useChannel(address: string): SharedJoin {
  const shared = sharedJoin(useClient(), address)
  useEffect(() => shared.hold(), [shared])
  return shared
}
