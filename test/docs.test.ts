import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { cleanup } from './support/cleanup.ts'
import { startProcess } from './support/process-server.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const PAGES = [
  'README.md',
  'bench/README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** The commands of a page: its blocks that are marked as sh. */
function commandsOf(page: string): string[] {
  return Array.from(read(page).matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, block]) => block as string)
}

/** Runs a script as a shell does; one that ends by serving is stopped, politely, when it listens. */
async function runScript(script: string, cwd: string): Promise<{ code: number | null; output: string }> {
  const serves = /serve\s*$/.test(script)
  const command = serves ? script.replace(/^(node \S+ serve)\s*$/m, 'exec $1') : script
  const child = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', command], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  cleanup(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (serves && /listening/.test(output)) child.kill('SIGTERM')
    })
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

describe('every command in the docs does what it says', () => {
  const commands = PAGES.flatMap((page) => commandsOf(page).map((command, i) => ({ page, n: i + 1, command })))

  test.each(commands)('$page, command $n', { timeout: 100_000 }, async ({ command }) => {
    const server = await startProcess({}, { folder: temporaryFolder() })
    // As a user stands in the project: with its files, its commands, and a server that runs.
    const place = temporaryFolder()
    for (const name of ['package.json', 'demo']) cpSync(join(ROOT, name), join(place, name), { recursive: true })
    for (const name of ['node_modules', 'dist']) symlinkSync(join(ROOT, name), join(place, name))
    const { code, output } = await runScript(command.replaceAll('http://localhost:3001', server.url), place)
    expect(output).not.toMatch(/^$|"success":false|is not served|Error:/)
    expect(code, output).toBe(0)
  })

  test('there are commands', () => expect(commands.length).toBeGreaterThan(3))
})

test('the code in the docs compiles against what is exported', async () => {
  // Inside the project, so that `convene/client` is this one.
  const place = mkdtempSync(join(ROOT, 'dist', 'docs-'))
  cleanup(() => rmSync(place, { recursive: true }))
  const blocks = PAGES.flatMap((page) => Array.from(read(page).matchAll(/^```(tsx?)\n([\s\S]*?)^```$/gm)))
  for (const [i, [, extension, code]] of blocks.entries())
    writeFileSync(join(place, `${i}.${extension}`), code as string)
  expect(blocks.length).toBeGreaterThan(1)
  const compilerOptions = {
    noImplicitAny: true,
    jsx: 'react-jsx',
    lib: ['ES2023', 'DOM'],
    types: ['node'],
    allowUnreachableCode: true,
    noEmit: true,
    composite: false,
    incremental: false,
    rootDir: ROOT,
  }
  writeFileSync(
    join(place, 'tsconfig.json'),
    JSON.stringify({ extends: join(ROOT, 'tsconfig.house.json'), compilerOptions, include: ['.'], exclude: [] }),
  )
  const { code, output } = await runScript(`${join(ROOT, 'node_modules/.bin/tsc')} -p ${place}`, ROOT)
  expect(output).toBe('')
  expect(code).toBe(0)
})

test('every link of the docs leads somewhere', () => {
  for (const page of PAGES) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      const file = join(ROOT, page, '..', target as string)
      expect(() => readFileSync(file), `${page} links ${relative(ROOT, file)}`).not.toThrow()
    }
  }
})

test('every rule of the contract is quoted by the name of a test', () => {
  const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ts$/.test(name))
    .map((name) => read(join('test', name)))
    .join('\n')
  const names = Array.from(tests.matchAll(/(?:test|describe)[^'"`\n]*\(\s*(['"`])(.*?)\1/g), ([, , name]) => name).join(
    '\n',
  )
  const contract = read('docs/protocol.md')
  expect(contract).not.toMatch(/not (served )?yet/i)
  const rules = Array.from(contract.matchAll(/^- \[([A-Z]+\d)\]/gm), ([, id]) => id as string)
  expect(rules.length).toBeGreaterThan(43)
  expect(rules.filter((id) => !names.includes(`[${id}]`))).toEqual([])
})

test('the two commands of README are those of package.json', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  expect(read('README.md')).toContain('npm ci && npm start')
  expect(read('README.md')).toContain('npm ci && npm test')
  expect(scripts.start).toBe('node dist/cli/main.js serve')
  expect(scripts.prestart).toContain('build')
})
