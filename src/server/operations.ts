import type { ClientEvent } from '../protocol/client-events.ts'
import type { Author, FactReply } from '../protocol/envelope.ts'
import { ConveneError, catalogued, parseBody } from '../protocol/errors.ts'
import { jsonBytes, MAX_REPLY_BYTES } from '../protocol/limits.ts'
import type { Role } from '../protocol/roles.ts'
import { type SyncOperation, type SyncResult, syncOperation } from '../protocol/sync.ts'
import type { Channels } from './channels/channels.ts'
import type { Logger } from './observe/logger.ts'
import { reasonOf } from './observe/reason.ts'
import { unknownEvent } from './session/dispatch.ts'
import { requireRight } from './session/rights.ts'

// Half of what a reply may hold: the replies to the other operations are small.
const MAX_CONFLICTS_BYTES = MAX_REPLY_BYTES / 2

/** Who wants operations done, through whichever door. */
export interface Asker {
  readonly user: Author
  /** The session that is to have the replies instead of the facts. */
  readonly origin?: string
  /** @throws ConveneError `not_joined`, or whatever else stands against it */
  roleIn(channel: string): Role | null
  /** As it is by now, when something has changed since. */
  roleAnew(channel: string): Role | null | Promise<Role | null>
  /** When an operation on a channel may begin: not before what was asked for earlier. */
  inTurn?<T>(channel: string, body: unknown, serve: () => Promise<T>): Promise<T>
  /** Told how many bytes everybody is told. */
  spend?(bytes: number): void
}

/** Facts that come as operations, many at once or from a side door: each is checked and done as if it had come alone. */
export class Operations {
  readonly #events: ReadonlyMap<string, ClientEvent>
  readonly #channels: Pick<Channels, 'publish'>
  readonly #logger: Logger

  constructor(events: ReadonlyMap<string, ClientEvent>, channels: Pick<Channels, 'publish'>, logger: Logger) {
    this.#events = events
    this.#channels = channels
    this.#logger = logger
  }

  /**
   * Does one operation.
   * @throws ConveneError what its fact alone would be refused with
   */
  async perform(asker: Asker, operation: Omit<SyncOperation, 'operationId'> & { operationId?: string | undefined }) {
    const { type, channel } = operation
    const event = this.#events.get(type)
    if (!event) throw unknownEvent(type)
    if (event.kind !== 'fact') throw new ConveneError('invalid', `type: expected a fact, got ${type}`)
    const { user, origin } = asker
    const body = parseBody(event.body, operation, type) as Pick<SyncOperation, 'channel' | 'payload'>
    const serve = async (): Promise<FactReply> => {
      const role = asker.roleIn(channel)
      requireRight(channel, role, event.needs)
      const roleAnew = async () => {
        const now = await asker.roleAnew(channel)
        requireRight(channel, now, event.needs)
        return now
      }
      const spend = (bytes: number) => asker.spend?.(bytes)
      return this.#channels.publish({ ...body, type, user, role, roleAnew, origin, spend })
    }
    return asker.inTurn ? asker.inTurn(channel, body, serve) : serve()
  }

  /** Does operations in their order, and answers for each: one that is refused does not stop the others. */
  async sync(asker: Asker, operations: readonly unknown[]): Promise<SyncResult[]> {
    const results = await Promise.all(
      operations.map(async (given): Promise<SyncResult> => {
        try {
          return { ok: true, ...(await this.perform(asker, parseBody(syncOperation, given, 'operation'))) }
        } catch (thrown) {
          const error = catalogued(thrown)
          if ((error.code === 'internal' || error.code === 'unavailable') && error.cause !== undefined) {
            this.#logger.error({ ...reasonOf(error.code, error.cause), user: asker.user.id }, 'an operation failed')
          }
          return { ok: false, operationId: operationIdOf(given), error: error.toBody() }
        }
      }),
    )
    return withinBytes(results)
  }
}

/** Each conflict brings a document: beyond what a reply may hold they are only named, to be asked for. */
function withinBytes(results: SyncResult[]): SyncResult[] {
  let bytes = 0
  return results.map((result) => {
    if (result.ok || !result.error.conflict) return result
    bytes += jsonBytes(result)
    if (bytes <= MAX_CONFLICTS_BYTES) return result
    const { conflict: _conflict, ...error } = result.error
    return { ...result, error }
  })
}

function operationIdOf(given: unknown): string | null {
  const id = typeof given === 'object' && given !== null && (given as { operationId?: unknown }).operationId
  return typeof id === 'string' ? id.slice(0, 128) : null
}
