const WITHIN_MS = 20_000
const LOOK_EVERY_MS = 10

/** Waits until something is so. @throws Error saying what was waited for */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WITHIN_MS
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited ${WITHIN_MS} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
