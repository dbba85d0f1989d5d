import { ConveneError } from '../../protocol/errors.ts'
import type { Identity } from '../auth/identity.ts'
import type { Control } from '../channels/control.ts'
import type { KeptRecord, RecordKey } from '../store/record.ts'
import type { Store } from '../store/store.ts'

/** [LIFE2] Whose tokens, and which, count no more. */
export class Revocations {
  readonly #store: Store
  readonly #control: Control

  constructor(store: Store, control: Control) {
    this.#store = store
    this.#control = control
  }

  /**
   * @throws ConveneError `revoked` for an identity of a token that counts no more, `unavailable`
   */
  async check({ id, claims }: Identity): Promise<void> {
    const token = typeof claims.jti === 'string' ? this.#store.record(keyOf('token', claims.jti)) : undefined
    const [ofUser, ofToken] = await Promise.all([this.#store.record(keyOf('user', id)), token])
    if (ofToken || (ofUser && isRevoked(ofUser.data, claims.iat))) {
      throw new ConveneError('revoked', 'This token was revoked; sign in again')
    }
  }

  /**
   * Revokes a person's tokens, and tells every instance: those that were issued up to now, and with `until` every one until then.
   * @param until ms since 1970
   */
  async revokeUser(userId: string, until: number | undefined): Promise<void> {
    const revocation = { at: Date.now(), ...(until !== undefined && { until }) }
    await this.#control.tell('user:revoked', { userId, ...revocation }, [recordOf(keyOf('user', userId), revocation)])
  }

  /** Revokes one token by its claim `jti`, and tells every instance. */
  async revokeToken(jti: string): Promise<void> {
    await this.#control.tell('token:revoked', { jti }, [recordOf(keyOf('token', jti), { at: Date.now() })])
  }
}

function recordOf(key: RecordKey, data: Record<string, number>): KeptRecord {
  return { ...key, seq: 0, owner: null, deleted: false, data }
}

/** Whether a revocation, as it is kept, counts for a token of the user that was issued then. */
function isRevoked(revocation: Readonly<Record<string, unknown>>, issuedAt: unknown): boolean {
  const { at, until } = revocation as { at: number; until?: number }
  if (until !== undefined && Date.now() < until) return true
  // iat counts whole seconds, so one of the very second may have been issued before; without one it may always have been.
  return typeof issuedAt !== 'number' || Math.floor(issuedAt) <= Math.floor(at / 1000)
}

// No channel's address looks like this scope.
function keyOf(of: 'user' | 'token', id: string): RecordKey {
  return { scope: `revoked ${of}`, kind: 'revocation', id }
}
