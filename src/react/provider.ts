import { createElement, type ReactNode, useEffect } from 'react'
import type { ConveneClient } from '../client/index.ts'
import { ClientContext } from './use-client.ts'

export interface ConveneProviderProps {
  readonly client: ConveneClient
  readonly children?: ReactNode
}

/**
 * Gives a client to the hooks below it, and connects it. The client stays yours: close it where you made it, for
 * example when somebody signs out.
 * @example
 * const client = createClient({ url: 'https://collab.example.com', token: fetchToken })
 * root.render(<ConveneProvider client={client}><Board /></ConveneProvider>)
 */
export function ConveneProvider({ client, children }: ConveneProviderProps): ReactNode {
  useEffect(() => client.connect(), [client])
  return createElement(ClientContext.Provider, { value: client }, children)
}
