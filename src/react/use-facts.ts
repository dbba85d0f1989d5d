import { useEffect, useInsertionEffect, useRef, useSyncExternalStore } from 'react'
import type { ConveneError, Envelope } from '../client/index.ts'
import { useChannel } from './use-channel.ts'

const none = () => undefined

/**
 * Tells a channel's facts of one type, or of all with `*`, to the newest handler: each once, in order, over lost
 * connections, from when the channel is joined, which it is while the component is mounted. Your own facts are left
 * out: the reply to publishing them has their place. Gives back why the server does not let you in, if so.
 * @example
 * const refusal = useFacts('project:p1', 'task:update', ({ payload }) => update(payload))
 * if (refusal) return <p>{refusal.message}</p>
 * @throws ConveneError `invalid` when that is no channel; Error outside of a provider
 */
export function useFacts(channel: string, type: string, handler: (fact: Envelope) => void): ConveneError | undefined {
  const newest = useRef(handler)
  // With the commit: a fact may come between it and the effects of a plain useEffect.
  useInsertionEffect(() => {
    newest.current = handler
  })
  const shared = useChannel(channel)
  useEffect(() => shared.channel.on(type, (fact) => newest.current(fact)), [shared, type])
  return useSyncExternalStore(shared.onRefusal, shared.refusal, none)
}
