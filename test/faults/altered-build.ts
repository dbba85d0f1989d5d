// Builds of the server in which a piece of text is another one: production code has no switches for faults.
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../support/temporary-folder.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** One piece of text of a built file, which has to occur in it exactly once, and what stands there instead. */
export interface Splice {
  /** Inside of `dist`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/**
 * Copies `dist`, altered. Gone when the test ends.
 * @returns its command line
 * @throws Error when a text is not there exactly once, as after a refactoring: then the splice has to follow it
 */
export function alteredBuild(splices: readonly Splice[]): string {
  const folder = temporaryFolder()
  cpSync(join(REPOSITORY, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(REPOSITORY, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, find, replace } of splices) {
    const path = join(folder, 'dist', file)
    const parts = readFileSync(path, 'utf8').split(find)
    if (parts.length !== 2)
      throw new Error(`expected once in dist/${file}, found ${parts.length - 1} times:\n${find}\nwhere is it now?`)
    writeFileSync(path, parts.join(replace))
  }
  return join(folder, 'dist/cli/main.js')
}
