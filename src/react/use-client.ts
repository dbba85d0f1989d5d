import { createContext, useContext } from 'react'
import type { ConveneClient } from '../client/index.ts'

export const ClientContext = createContext<ConveneClient | undefined>(undefined)

/** @throws Error outside of a provider */
export function useClient(): ConveneClient {
  const client = useContext(ClientContext)
  if (!client) throw new Error('No Convene client here: put a <ConveneProvider client={…}> above this component')
  return client
}
