import type { Metrics } from '../observe/metrics.ts'

/** What can go wrong between the instances, and is counted: none of it may stop anything. */
export type Failure =
  /** A connection to Redis that ended, or could not be made. */
  | 'connection'
  /** A command that Redis refused or did not get. */
  | 'command'
  /** A message that was not sent, for Redis was away. */
  | 'unsent'
  /** A message too large to be sent or believed. */
  | 'too_large'
  /** What came from Redis and no node wrote. */
  | 'unsealed'
  /** What a node wrote and this one does not understand. */
  | 'malformed'
  /** What another room made of it. */
  | 'listener'

export type Failed = (kind: Failure) => void

export function countFailures(metrics: Metrics): Failed {
  return (kind) => metrics.clusterFailures.inc({ kind })
}
