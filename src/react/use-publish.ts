import { useCallback } from 'react'
import type { FactReply, PublishOptions } from '../client/index.ts'
import { useChannel } from './use-channel.ts'

export type Publish = (type: string, payload: object, options?: PublishOptions) => Promise<FactReply>

/**
 * A function that publishes into a channel, the same one at each render. The channel is joined while the component is
 * mounted; what is published before that is done waits for it.
 * @example
 * const publish = usePublish('project:p1')
 * <button onClick={() => publish('task:update', { id: 't1', done: true })}>Done</button>
 * @throws ConveneError as `publish` of convene/client; `invalid` when that is no channel; Error outside of a provider
 */
export function usePublish(channel: string): Publish {
  const shared = useChannel(channel)
  return useCallback((type, payload, options) => shared.channel.publish(type, payload, options), [shared])
}
