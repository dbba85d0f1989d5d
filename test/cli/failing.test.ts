// What the process does about mistakes nobody caught, and about a stop that does not come to its end.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { MAIN } from '../support/process-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** `convene serve` with a few lines of somebody's own in the same process, started by a message on stdin. */
function serveWith(mistake: string, env: Record<string, string> = {}) {
  const folder = temporaryFolder()
  const preload = `data:text/javascript,${encodeURIComponent(`process.stdin.once('data', () => { ${mistake} })`)}`
  const child = spawn(process.execPath, ['--import', preload, MAIN, 'serve'], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', PORT: '0', DATABASE_URL: `sqlite:${join(folder, 'convene.db')}`, ...env },
  })
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  cleanup(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const sees = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = (chunk: string | Buffer = '') => {
        output += chunk
        if (pattern.test(output)) resolve()
      }
      child.stdout.on('data', look)
      child.stderr.on('data', look)
      look()
      void exited.then(() => reject(new Error(`ended without ${pattern}:\n${output}`)))
    })
  return { child, exited, sees, go: () => void child.stdin.write('go\n') }
}

test('a rejection nobody listened to is logged, and the server goes on', async () => {
  const server = serveWith(`Promise.reject(new Error('lost and alone'))`)
  await server.sees(/listening on/)
  server.go()
  await server.sees(/a promise was rejected and nobody listened: Error: lost and alone/)
  server.child.kill('SIGTERM')
  expect(await server.exited).toBe(0)
})

test('an exception nobody caught is logged, and the server stops in good order with exit code 1', async () => {
  const server = serveWith(`throw new Error('quite unexpected')`, {
    NODE_ENV: 'production',
    ACCESS: 'open',
    JWT_SECRET: 'q7Vv0mYx3Jt9ZcB1nKfLrW5sHdPgEuA2oTiX8yRk',
  })
  await server.sees(/"listening"/)
  server.go()
  await server.sees(/"level":"error".*"message":"quite unexpected".*"msg":"an exception was not caught; stopping"/)
  expect(await server.exited).toBe(1)
})

test('[LIFE3] a stop that does not come to its end is ended, with a word and exit code 1', async () => {
  const store = pathToFileURL(join(MAIN, '..', '..', 'server', 'store', 'group-commit.js')).href
  const mistake = `import('${store}').then(({ GroupCommit }) => {
    GroupCommit.prototype.settled = () => new Promise(() => {})
    console.log('stuck')
  })`
  const server = serveWith(mistake, { DRAIN_MS: '500' })
  await server.sees(/listening on/)
  server.go()
  await server.sees(/stuck/)
  server.child.kill('SIGTERM')
  await server.sees(/Not stopped 1000 ms after DRAIN_MS \(500\)/)
  expect(await server.exited).toBe(1)
})
