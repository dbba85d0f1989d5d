/** Every `$ref` of a document that leads nowhere in it. */
export function danglingReferences(document: unknown): string[] {
  return [...referencesIn(document)].filter((reference) => !leadsSomewhere(document, reference))
}

function* referencesIn(value: unknown): Iterable<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string') yield inner
    else yield* referencesIn(inner)
  }
}

function leadsSomewhere(document: unknown, reference: string): boolean {
  if (!reference.startsWith('#/')) return false
  const steps = reference.slice(2).split('/')
  return (
    steps
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
      .reduce((place: unknown, step) => (place as Record<string, unknown> | undefined)?.[step], document) !== undefined
  )
}
