// Tells secrets that anybody could guess from secrets that were generated.

/** Words that examples and tutorials are made of, the longer before what they contain. */
const FILLER = new RegExp(
  [
    'placeholder|development|production|characters|generated|character|generate|password|nextauth|supabase|default|replace|convene',
    'changeme|changeit|minimum|testing|example|session|private|insert|random|string|secret|secure|please|sample|qwerty|letmein',
    'change|strong|string|shared|hmac|local|super|token|value|admin|dummy|bytes|chars|least|jwt|json|auth|prod|user|pass',
    'phrase|this|that|your|here|with|long|very|must|some|thing|test|safe|byte|bits|the|key|web|api|app|top|own|not|use|for|and|foo|bar|baz',
    'bit|dev|my|me|is|in|it|to|of|or|be|at|an|do|hs|256|512|384|128|123|32|64',
  ].join('|'),
  'g',
)

/** What is left of a text once the words of examples are gone; a generated secret loses next to nothing. */
function remainder(text: string): string {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .map((word) => (word.length < 3 ? '' : word.replace(FILLER, '')))
    .join('')
}

/** `abcabcabc`: the text is its own beginning, repeated. */
function repeats(text: string): boolean {
  for (let period = 1; period <= text.length / 2; period++) {
    if (text.startsWith(text.slice(period))) return true
  }
  return false
}

/** `abcdef…`, `012345…`: most characters follow their neighbour. */
function isSequence(text: string): boolean {
  let steps = 0
  for (let i = 1; i < text.length; i++) {
    if (Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) === 1) steps++
  }
  return steps > text.length * 0.6
}

/** Whether a secret is one of those found in examples: `changeme`, `your-secret-here`, `aaaa…`, `0123456789…`. */
export function isPlaceholder(secret: string): boolean {
  return new Set(secret).size < 8 || repeats(secret) || isSequence(secret) || remainder(secret).length < 8
}

/** What is wrong with a secret that shall keep strangers out, for a sentence that begins with its name. */
export function weaknessOf(secret: string): string | undefined {
  const bytes = Buffer.byteLength(secret)
  if (bytes < 32) return `has ${bytes} bytes; production wants a generated one of 32 or more`
  return isPlaceholder(secret) ? 'can be guessed; production wants a generated one' : undefined
}
