import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'

const SPACE = 0x20
const MAC_BYTES = 32
const MAC_LENGTH = 43 // in base64url

/** Something as it was sealed. */
export interface Opened {
  readonly sender: string
  readonly text: string
}

/**
 * Marks what goes through Redis as written by a node of this cluster. The key is in the store alone: who can write to
 * Redis and does not have the store can repeat or drop what is there, but make nothing up.
 */
export class Seal {
  readonly #key: KeyObject

  constructor(key: Buffer) {
    this.#key = createSecretKey(key)
  }

  /** `<sender> <mac> <text>`: good at this place alone. The sender holds no space. */
  close(place: string, sender: string, text: string): string {
    return `${sender} ${this.#mac(place, sender, Buffer.from(text)).toString('base64url')} ${text}`
  }

  /** `undefined`: it was not sealed with this key, or at another place. */
  open(place: string, sealed: Buffer): Opened | undefined {
    const afterSender = sealed.indexOf(SPACE)
    const afterMac = afterSender + 1 + MAC_LENGTH
    if (afterSender < 1 || sealed[afterMac] !== SPACE) return undefined
    const sender = sealed.toString('utf8', 0, afterSender)
    const mac = Buffer.from(sealed.toString('latin1', afterSender + 1, afterMac), 'base64url')
    const body = sealed.subarray(afterMac + 1)
    if (mac.byteLength !== MAC_BYTES || !timingSafeEqual(mac, this.#mac(place, sender, body))) return undefined
    return { sender, text: body.toString('utf8') }
  }

  #mac(place: string, sender: string, body: Buffer): Buffer {
    // Written so that no two pairs of place and sender begin alike.
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([place, sender]))
      .update(body)
      .digest()
  }
}
