/**
 * What a dialect says. One that throws is noted, and its client is `cut`, so that it comes back; nobody else notices.
 */
export function guarded<T>(words: () => readonly T[], failed: (error: unknown) => void, cut: () => void): readonly T[] {
  try {
    return words()
  } catch (error) {
    failed(error)
    // Not within somebody else's delivery.
    setImmediate(cut)
    return []
  }
}
