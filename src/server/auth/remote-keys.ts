import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { keysUnavailable } from './refusals.ts'

/** The keys of an issuer, as jose asks for them. */
export type KeySet = ReturnType<typeof createLocalJWKSet>

/** When keys are fetched, in ms. */
export interface RemoteKeysTiming {
  /** After this an issuer that does not answer is away. */
  readonly timeoutMs: number
  /** At most two fetches are begun within this, whatever tokens say. */
  readonly cooldownMs: number
  /** Nothing is fetched so soon after a fetch that failed. */
  readonly pauseMs: number
  /** Keys older than this are fetched again, behind the back of who asks. */
  readonly maxAgeMs: number
}

const TIMING: RemoteKeysTiming = { timeoutMs: 3000, cooldownMs: 30_000, pauseMs: 5000, maxAgeMs: 600_000 }
const MAX_BYTES = 524_288

/** A key set that somebody else publishes. */
export interface RemoteKeys {
  /**
   * The keys as far as they are known; only who comes first has to wait for them.
   * @throws ConveneError `unavailable` when none were ever had.
   */
  known(): Promise<KeySet>
  /** Newer keys, for a token whose key is not among these; `undefined` when there are none or it is too soon to ask. */
  newer(than: KeySet): Promise<KeySet | undefined>
}

/**
 * Fetches keys from an address. jose's own remote set keeps everybody waiting while an issuer hangs, forgets good keys once
 * they are old, and does not hold back after a failure; hence this.
 * @throws Error when the address is not https (or http of this machine).
 */
export function createRemoteKeys(address: string, timing: Partial<RemoteKeysTiming> = {}): RemoteKeys {
  const url = checkedUrl(address)
  const { timeoutMs, cooldownMs, pauseMs, maxAgeMs } = { ...TIMING, ...timing }
  let keys: KeySet | undefined
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let begun = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  let pending: Promise<KeySet | undefined> | undefined
  let lastError: unknown

  // performance.now() does not jump when the machine's clock is set.
  function refresh(): Promise<KeySet | undefined> {
    if (pending) return pending
    const now = performance.now()
    const [last, lastButOne] = [begun[1] ?? now, begun[0] ?? now]
    if (now - lastButOne < cooldownMs || now - failedAt < pauseMs) return Promise.resolve(undefined)
    begun = [last, now]
    pending = fetchKeys(url, timeoutMs)
      .then((fetched) => {
        keys = fetched
        fetchedAt = performance.now()
        return fetched
      })
      .catch((error: unknown) => {
        failedAt = performance.now()
        lastError = error
        return undefined
      })
      .finally(() => {
        pending = undefined
      })
    return pending
  }

  return {
    async known() {
      if (keys) {
        if (performance.now() - fetchedAt > maxAgeMs) void refresh()
        return keys
      }
      const fetched = await refresh()
      if (!fetched) throw keysUnavailable(lastError)
      return fetched
    },
    async newer(than) {
      // Somebody else may have fetched them since.
      return keys !== than ? keys : await refresh()
    },
  }
}

async function fetchKeys(url: URL, timeoutMs: number): Promise<KeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`status ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw new Error('too large')
    chunks.push(chunk)
  }
  const set: JSONWebKeySet = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  const keys = createLocalJWKSet(set)
  // A set without keys is an issuer's mishap: better the last good ones.
  if (set.keys.length === 0) throw new Error('no keys')
  return keys
}

function checkedUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  const here = url !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && here)) {
    throw new Error(
      'Expected the key set at an https address (http only on this machine): who can change the way can forge keys',
    )
  }
  if (url.username !== '' || url.password !== '')
    throw new Error('Expected the address of the key set without a password')
  return url
}
