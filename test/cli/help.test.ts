// The command line as a whole: help, version, what there is not.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { helpText } from '../../src/server/config/config.ts'
import { run } from '../support/command.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('--help is the one agreed upon', async () => {
  const folder = temporaryFolder()
  const { code, stdout } = await run(['--help'], { folder })
  expect(code).toBe(0)
  await expect(stdout).toMatchFileSnapshot('__snapshots__/help.txt')
  for (const command of ['token', 'publish', 'tail']) {
    const help = await run([command, '--help'], { folder })
    expect(help.code).toBe(0)
    await expect(help.stdout).toMatchFileSnapshot(`__snapshots__/help-${command}.txt`)
  }
})

test("serve --help has every option's name", async () => {
  const { code, stdout } = await run(['serve', '--help'], { folder: temporaryFolder() })
  expect(code).toBe(0)
  expect(stdout).toContain(helpText())
})

test("--version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(await run(['--version'], { folder: temporaryFolder() })).toEqual({
    code: 0,
    stdout: `${version}\n`,
    stderr: '',
  })
})

test('nothing, or what there is not, is asked wrongly', async () => {
  const folder = temporaryFolder()
  expect(await run([], { folder })).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage:') })
  expect(await run(['fly'], { folder })).toMatchObject({ code: 2, stderr: expect.stringContaining("'fly'") })
})
