'use client'
// React hooks over convene/client.

export type { ConveneProviderProps } from './provider.ts'
export { ConveneProvider } from './provider.ts'
export { useConnection } from './use-connection.ts'
export { useFacts } from './use-facts.ts'
export { type Publish, usePublish } from './use-publish.ts'
