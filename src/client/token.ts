/** A token, or how to get one: asked before every connect, and whenever the present one is about to expire. */
export type Token = string | (() => string | Promise<string>)

/** Rejects when the app's function does. */
export async function tokenOf(token: Token): Promise<string> {
  return typeof token === 'string' ? token : await token()
}
