import type { Envelope } from '../protocol/envelope.ts'
import type { ResetReason } from '../protocol/session.ts'

const REASONS: Readonly<Record<ResetReason, string>> = {
  epoch_changed: 'the log is another one than before',
  expired: 'what was missed is not kept any more',
  too_many: 'too much was missed to be told',
  ahead: 'the log ends before the position',
}

/** A fact for a terminal, `#12 14:03:22 ann task:update {"id":"t1"}` in local time; as JSON, the whole envelope. */
export function factLine(fact: Envelope, json: boolean): string {
  if (json) return JSON.stringify(fact)
  const time = new Date(fact.timestamp).toTimeString().slice(0, 8)
  const who = fact.user?.id ?? '-'
  return printable(`#${fact.seq} ${time} ${who} ${fact.type} ${JSON.stringify(fact.payload)}`)
}

/** Says that facts are missing between the line before and the next. */
export function gapLine(reason: ResetReason, json: boolean): string {
  return json ? JSON.stringify({ discontinuity: reason }) : `--- facts are missing here: ${REASONS[reason]}`
}

/** Nobody's name or payload moves the cursor or colours the terminal. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD')
}
