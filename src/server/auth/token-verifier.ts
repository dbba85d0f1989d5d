import type { TokenClaims } from './token-claims.ts'

/** One way of proving who issued a token. Which one judges a token is decided by the token's form alone. */
export interface TokenVerifier {
  /** Whether this token is of a form it can judge. Looks at no secret and never throws. */
  accepts(token: string): boolean
  /**
   * The claims of a token that it accepts.
   * @throws ConveneError `unauthenticated` when it does not verify, `token_expired` when it did once, `unavailable`
   * when that cannot be known now.
   */
  verify(token: string): Promise<TokenClaims>
}
