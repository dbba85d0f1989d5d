import Database from 'libsql'

const MARK_EVERY_MS = 1000

/** Holds a database file for one process and remembers, outside of it, how many facts it has had. */
export interface SqliteGuard {
  /** How many facts the file had when it was last marked. */
  readonly mark: number
  /** Remembers a new number, at the latest a second later. */
  remember(facts: number): void
  release(): void
}

/**
 * A second small file beside the database. Its lock ends with the process, however that ends, so two servers never
 * share one SQLite log. Its mark tells a log that was restored from an older copy [SEQ5]: it has fewer facts than marked.
 * @throws Error when another process holds the file
 */
export function holdSqliteFile(file: string, waitMs: number): SqliteGuard {
  const guard = new Database(`${file}-guard`, { timeout: waitMs })
  try {
    guard.pragma('locking_mode = EXCLUSIVE')
    // The mark may be late, so it need not wait for the disk.
    guard.pragma('synchronous = OFF')
    guard.exec('create table if not exists mark (id integer primary key check (id = 1), facts integer not null)')
    guard.exec('insert into mark values (1, 0) on conflict do update set facts = facts')
  } catch (error) {
    guard.close()
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error
    throw new Error(
      `Another process has ${file} open. SQLite serves one server: stop it first, or give this one a DATABASE_URL of its own.`,
    )
  }
  const write = guard.prepare('update mark set facts = ?')
  const { facts: mark } = guard.prepare('select facts from mark').get() as { facts: number }
  let latest = mark
  let timer: NodeJS.Timeout | undefined
  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    try {
      write.run(latest)
    } catch {
      // The disk is full, say. The mark may be late, and the next fact tries again.
    }
  }
  return {
    mark,
    remember(facts) {
      latest = facts
      timer ??= setTimeout(flush, MARK_EVERY_MS).unref()
    },
    release() {
      try {
        flush()
        // Closing alone keeps the lock until the statements are collected; leaving the mode lets go at the next read.
        guard.pragma('locking_mode = NORMAL')
        guard.prepare('select facts from mark').get()
      } finally {
        guard.close()
      }
    },
  }
}
