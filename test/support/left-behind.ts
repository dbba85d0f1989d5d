// What a server holds for its clients, by its own metrics: of each there is none when nobody is there.
const HELD = ['convene_sessions', 'convene_channels', 'convene_presence', 'convene_typing']
const WITHIN_MS = 20_000

/** What a server holds, by the name of the metric; undefined when it does not answer any more. */
export async function heldBy(url: string, key?: string): Promise<Record<string, number> | undefined> {
  const headers = key === undefined ? {} : { 'x-api-key': key }
  const response = await fetch(`${url}/metrics`, { headers }).catch(() => undefined)
  if (!response) return undefined
  const text = await response.text()
  const values = HELD.map((name) => {
    const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'm').exec(text)?.[1]
    if (value === undefined)
      throw new Error(`expected ${name} in the metrics, got ${response.status} ${text.slice(0, 200)}`)
    return [name, Number(value)]
  })
  return Object.fromEntries(values)
}

/**
 * Waits until a server holds nothing for anybody, but for what it may hold.
 * @throws Error naming what is left
 */
export async function untilNothingIsLeft(url: string, key?: string, except: readonly string[] = []): Promise<void> {
  const deadline = Date.now() + WITHIN_MS
  for (;;) {
    const held = await heldBy(url, key)
    if (!held || Object.entries(held).every(([name, count]) => count === 0 || except.includes(name))) return
    if (Date.now() > deadline) throw new Error(`when everybody had gone, the server held ${JSON.stringify(held)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
