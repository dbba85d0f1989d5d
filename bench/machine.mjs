// What the figures were measured on, and which core is whose.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'

const pinned = process.platform === 'linux' && availableParallelism() > 1 && succeeds('taskset', '-c', '0,1', 'true')

/** A command on the server's core or the generator's; as it is where processes cannot be pinned. */
export function onCoreOf(who, command) {
  return pinned ? ['taskset', '-c', who === 'server' ? '0' : '1', ...command] : command
}

/** One line about the machine. */
export function describeMachine() {
  const { length } = cpus()
  const [{ model }] = cpus()
  const where = pinned ? 'the server on one core, the generator on another' : 'NOT PINNED to cores'
  return `${length} × ${model.trim()}, Node ${process.version}, SQLite on ${fileSystem()}; ${where}`
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

/** @throws Error where the bench cannot run */
export function checkMachine() {
  if (!existsSync('/proc/self/schedstat')) {
    throw new Error('The bench reads CPU and memory from /proc, so it runs on Linux only')
  }
}

function fileSystem() {
  try {
    return execFileSync('stat', ['-f', '-c', '%T', tmpdir()], { encoding: 'utf8' }).trim()
  } catch {
    return 'a file'
  }
}

function succeeds(command, ...args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
