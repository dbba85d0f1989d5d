import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { beforeEach, expect, test } from 'vitest'
import { cleanup } from './cleanup.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { until } from './until.ts'

/** Says back what it hears. */
let echo: Server
let proxy: TcpProxy
const callers: Socket[] = []

beforeEach(async () => {
  callers.length = 0
  echo = createServer((socket) => {
    callers.push(socket)
    socket.on('error', () => {}).pipe(socket)
  }).listen(0, '127.0.0.1')
  cleanup(() => echo.close())
  await once(echo, 'listening')
  proxy = await startTcpProxy({ to: (echo.address() as AddressInfo).port, keepsAddress: true })
})

interface End {
  readonly socket: Socket
  heard(): string
  error(): string | undefined
}

async function call(localAddress = '127.0.0.1'): Promise<End> {
  const socket = connect({ host: '127.0.0.1', port: proxy.port, localAddress })
  cleanup(() => socket.destroy())
  let heard = ''
  let error: string | undefined
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    error = code
  })
  // Or not, which `error` tells.
  await once(socket, 'connect').catch(() => {})
  return { socket, heard: () => heard, error: () => error }
}

test('passes on what both ends say, from the address of the client', async () => {
  const end = await call('127.0.7.1')
  end.socket.write('hello')
  await until('the echo is back', () => end.heard() === 'hello')
  expect(callers[0]?.remoteAddress).toBe('127.0.7.1')
  end.socket.end()
  await until('it is over', () => proxy.connections === 0)
})

test('frozen it keeps what is said, says nothing of it, and goes on when it thaws', async () => {
  const end = await call()
  end.socket.write('one ')
  await until('the first echo', () => end.heard() === 'one ')
  proxy.freeze('down')
  end.socket.write('two ')
  await until('the server has heard it', () => (callers[0]?.bytesRead ?? 0) === 8)
  expect(end.heard()).toBe('one ')
  expect(end.socket.closed).toBe(false)
  proxy.thaw()
  await until('the rest', () => end.heard() === 'one two ')
  proxy.freeze('up')
  end.socket.write('three')
  const late = await call()
  late.socket.write('late')
  proxy.thaw()
  await until('both', () => end.heard() === 'one two three' && late.heard() === 'late')
})

test('cuts with a FIN, resets with a RST, and refuses new connections', async () => {
  const [first, second] = [await call(), await call()]
  first.socket.write('x')
  await until('it is through', () => first.heard() === 'x')
  proxy.cut()
  await Promise.all([once(first.socket, 'close'), once(second.socket, 'close')])
  expect(first.error()).toBeUndefined()
  const third = await call()
  third.socket.write('x')
  await until('it is through', () => third.heard() === 'x')
  proxy.reset()
  await until('it is told', () => third.error() === 'ECONNRESET')
  proxy.refuse()
  const refused = await call()
  await until('it is refused', () => refused.error() === 'ECONNRESET')
  proxy.allow()
  const again = await call()
  again.socket.write('back')
  await until('it is back', () => again.heard() === 'back')
})

test('delays without mixing up, and breaks off in the middle of a message', async () => {
  proxy.delay(150)
  const end = await call()
  const saidAt = performance.now()
  end.socket.write('a')
  end.socket.write('b')
  await until('the first', () => end.heard().length > 0)
  expect(performance.now() - saidAt).toBeGreaterThanOrEqual(140)
  await until('all of it', () => end.heard() === 'ab')
  proxy.delay(0)
  proxy.cutAfter(3)
  const short = await call()
  short.socket.write('abcdef')
  await until('it is broken off', () => short.error() !== undefined || short.socket.closed)
  expect(short.heard()).toBe('abc')
})
