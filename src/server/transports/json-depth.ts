/** Whether a JSON text has arrays and objects in more than so many levels, found without parsing it. */
export function isDeeper(json: string, levels: number): boolean {
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case 0x22: // a string: to its end
        i = endOfString(json, i)
        break
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > levels) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
    }
  }
  return false
}

function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let backslashes = 0
    while (json.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return end
  }
  return json.length
}
