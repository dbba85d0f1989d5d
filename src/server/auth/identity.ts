import { ConveneError } from '../../protocol/errors.ts'

/** Who somebody is, as a verified token says it; `claims` are all it says, for the access policy. */
export interface Identity {
  readonly id: string
  readonly name?: string
  readonly image?: string
  readonly email?: string
  readonly claims: Readonly<Record<string, unknown>>
}

const MAX_ID_CHARS = 256
const MAX_NAME_CHARS = 256
// An image travels with every fact its person publishes: room for an address, not for a picture as data.
const MAX_IMAGE_CHARS = 2048
const MAX_EMAIL_CHARS = 320

// Control characters forge log lines and Postgres cannot keep NUL; halves of characters do not survive UTF-8.
const CLEAN = /^[^\p{Cc}\p{Cs}]+$/u

/**
 * [CON3] The identity in the claims of a verified token: `sub`, else `id`; `name`; `picture`, else `image`; `email`.
 * A name, image or email that is no usable text is left out.
 * @throws ConveneError `unauthenticated` when neither `sub` nor `id` is text (or a whole number) of 1 to 256 characters.
 */
export function identityOf(claims: Readonly<Record<string, unknown>>): Identity {
  const id = idText(claims.sub) ?? idText(claims.id)
  if (id === undefined || id.length > MAX_ID_CHARS || !CLEAN.test(id)) {
    throw new ConveneError('unauthenticated', 'Invalid token')
  }
  const name = text(claims.name, MAX_NAME_CHARS)
  const image = text(claims.picture, MAX_IMAGE_CHARS) ?? text(claims.image, MAX_IMAGE_CHARS)
  const email = text(claims.email, MAX_EMAIL_CHARS)
  return Object.freeze({
    id,
    ...(name !== undefined && { name }),
    ...(image !== undefined && { image }),
    ...(email !== undefined && { email }),
    claims: Object.freeze({ ...claims }),
  })
}

/** Apps with a serial key in their database put a number there. Beyond 2^53 two people would share one text. */
function idText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

function text(value: unknown, maxChars: number): string | undefined {
  return typeof value === 'string' && value.length <= maxChars && CLEAN.test(value) ? value : undefined
}
