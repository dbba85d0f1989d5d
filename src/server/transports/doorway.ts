import type { Credentials, Verified } from '../auth/authenticator.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Connection } from '../session/connection.ts'
import type { Reply } from '../session/dispatch.ts'
import type { Session } from '../session/session.ts'
import type { Admission } from './admission.ts'

/** What every door for clients leads to. */
export interface Doorway {
  readonly admission: Admission
  readonly logger: Logger
  readonly metrics: Metrics
  authenticate(credentials: Credentials): Promise<Verified>
  /**
   * Makes a session of a verified connection. `before`: its client's until now, under another name.
   * @throws ConveneError `too_many`
   */
  open(connection: Connection, verified: Verified, before?: Session): Session
  /**
   * Learns what has to be known of a session before the client is told that it is connected.
   * @throws ConveneError `revoked`, `unavailable`
   */
  prepare(session: Session): Promise<void>
  /** The client can be told that it is connected. */
  ready(session: Session): Promise<void>
  /** Serves one request. `reply` is for whom the client gave a way to be answered. */
  serve(session: Session, event: unknown, body: unknown, reply: Reply | undefined): Promise<void>
  /** The client is gone; `clean` when it meant to go. May be called twice. */
  close(session: Session, clean: boolean): void
}
