// Looks over MessagePack before it is decoded: a decoder believes the lengths it reads, and allocates for them.

const MAX_DEPTH = 100

/** Bytes of length after a prefix, and how many more bytes belong to it. */
const SIZED: Readonly<Record<number, readonly [lengthBytes: number, more: number]>> = {
  196: [1, 0], // bin
  197: [2, 0],
  198: [4, 0],
  199: [1, 1], // ext, whose type is a byte more
  200: [2, 1],
  201: [4, 1],
  217: [1, 0], // str
  218: [2, 0],
  219: [4, 0],
}
/** Bytes after a prefix. */
const FIXED: Readonly<Record<number, number>> = {
  192: 0, // nil, false, true
  194: 0,
  195: 0,
  202: 4, // float
  203: 8,
  204: 1, // uint
  205: 2,
  206: 4,
  207: 8,
  208: 1, // int
  209: 2,
  210: 4,
  211: 8,
  212: 2, // fixext
  213: 3,
  214: 5,
  215: 9,
  216: 17,
}
/** Arrays and maps: bytes of length after a prefix, and how many values each of their elements is. */
const COUNTED: Readonly<Record<number, readonly [lengthBytes: number, values: number]>> = {
  220: [2, 1],
  221: [4, 1],
  222: [2, 2],
  223: [4, 2],
}

/** Whether a buffer is one whole MessagePack value, no deeper than 100, whose lengths are no longer than itself. */
export function isBoundedMsgpack(buffer: Buffer): boolean {
  let at = 0
  /** How many values are missing on each level. */
  const missing = [1]
  while (missing.length > 0) {
    const left = missing.length - 1
    if (missing[left] === 0) {
      missing.pop()
      continue
    }
    missing[left] = (missing[left] ?? 0) - 1
    const prefix = buffer[at++]
    if (prefix === undefined) return false
    const values = valuesWithin(prefix)
    if (values === undefined) return false
    if (values > buffer.byteLength - at) return false
    if (values > 0) missing.push(values)
    if (missing.length > MAX_DEPTH) return false
  }
  return at === buffer.byteLength

  /** How many values follow that belong to this one; everything else of it is passed over. */
  function valuesWithin(prefix: number): number | undefined {
    if (prefix < 0x80 || prefix > 0xdf) return 0
    if (prefix < 0x90) return (prefix & 0x0f) * 2
    if (prefix < 0xa0) return prefix & 0x0f
    if (prefix < 0xc0) return skip(prefix & 0x1f)
    const counted = COUNTED[prefix]
    if (counted) {
      const count = length(counted[0])
      return count === undefined ? undefined : count * counted[1]
    }
    const sized = SIZED[prefix]
    if (sized) {
      const bytes = length(sized[0])
      return bytes === undefined ? undefined : skip(bytes + sized[1])
    }
    return skip(FIXED[prefix] ?? Number.POSITIVE_INFINITY)
  }

  function length(bytes: number): number | undefined {
    if (at + bytes > buffer.byteLength) return undefined
    at += bytes
    return buffer.readUIntBE(at - bytes, bytes)
  }

  function skip(bytes: number): 0 | undefined {
    at += bytes
    return at <= buffer.byteLength ? 0 : undefined
  }
}
