/** Which colour is somebody's, the same in every window. */
export function tintOf(name) {
  let sum = 0
  for (const letter of name) sum = (sum * 37 + letter.codePointAt(0)) % 997
  return sum % 8
}

/** A person's initials on their colour. */
export function paintAvatar(element, name) {
  element.dataset.tint = tintOf(name)
  element.textContent = name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0] ?? '')
    .join('')
    .toUpperCase()
  element.title = name
}
