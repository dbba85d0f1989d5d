/** Which of the subprotocols a client offers is agreed on: browsers want one of them, and rather not the token. */
export function agreedProtocol(offered: ReadonlySet<string>): string | false {
  const [first] = offered
  return [...offered].find((protocol) => !protocol.startsWith('bearer.')) ?? first ?? false
}
