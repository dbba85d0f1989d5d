/**
 * Whether a value has arrays and objects in more than so many levels. As of a client's body [REQ1]: some thousand more,
 * and whoever writes it as JSON runs out of stack, with everybody's facts of the same turn in hand.
 */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}
