import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

interface Locked {
  readonly optionalDependencies?: Record<string, string>
  readonly hasInstallScript?: boolean
  readonly resolved?: string
}

const lock = JSON.parse(readFileSync(fileURLToPath(new URL('../package-lock.json', import.meta.url)), 'utf8')) as {
  packages: Record<string, Locked>
}

test('the lock file has what every platform installs, or npm ci refuses it', () => {
  const names = new Set(Object.keys(lock.packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)))
  const missing = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies).filter((name) => !names.has(name)),
  )
  // npm leaves out what it could not fetch when the file was written.
  expect(missing).toEqual([])
})

test('A33 no dependency runs a script when it is installed, and the lock file names no registry', () => {
  for (const [path, { hasInstallScript, resolved }] of Object.entries(lock.packages)) {
    expect(hasInstallScript, path).toBeUndefined()
    expect(resolved, path).toBeUndefined()
  }
})
