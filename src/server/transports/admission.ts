import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { ConveneError } from '../../protocol/errors.ts'

/** Decides, before anything costs much, whether a connection may try to authenticate. */
export interface Admission {
  /** @throws ConveneError `draining`, `rate_limited` */
  check(address: string): Promise<void>
  /** @throws ConveneError `draining` */
  checkDraining(): void
  /** From now on every connection is refused. */
  drain(reconnectInMs: number): void
}

export function createAdmission(connectionsPerMinute: number): Admission {
  const perAddress = new RateLimiterMemory({ points: connectionsPerMinute, duration: 60 })
  let draining: number | undefined
  function checkDraining(): void {
    if (draining === undefined) return
    throw new ConveneError('draining', 'Server is draining', { retryAfterMs: draining })
  }
  return {
    checkDraining,
    async check(address) {
      checkDraining()
      await perAddress.consume(address).catch((refusal: unknown) => {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        throw new ConveneError('rate_limited', 'Too many connections', { retryAfterMs: refusal.msBeforeNext })
      })
    },
    drain(reconnectInMs) {
      draining = reconnectInMs
    },
  }
}
