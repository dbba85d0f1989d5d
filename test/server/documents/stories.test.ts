import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConveneError } from '../../../src/protocol/errors.ts'
import { DocumentHistory } from '../../support/document-history.ts'
import { DocumentLog } from '../../support/document-log.ts'
import { request, type Step, story, WRITERS } from '../../support/document-stories.ts'
import { applyFact, type Held, held } from '../../support/documents.ts'

/** Somebody who holds the documents as they were after `seq` facts. */
interface Writer {
  readonly documents: Held
  seq: number
}

const FIELDS = ['a', 'b', 'constructor', '__proto__']

/** Plays a story on the rules alone. */
function play(steps: readonly Step[]) {
  const log = new DocumentLog()
  const history = new DocumentHistory()
  const writers = Array.from({ length: WRITERS }, (): Writer => ({ documents: new Map(), seq: 0 }))
  const refusals: ConveneError[] = []
  for (const { who, does } of steps) {
    const writer = writers[who] as Writer
    if (typeof does === 'number') {
      hear(writer, log, does)
      continue
    }
    const { body, meant } = request(does, writer.documents)
    let merged: boolean
    try {
      merged = log.write(`user${who}`, body).merged === true
    } catch (error) {
      if (!(error instanceof ConveneError)) throw error
      refusals.push(error)
      if (error.conflict) history.refused(meant, error.conflict)
      continue
    }
    history.accepted(log.facts.at(-1) as (typeof log.facts)[number], meant, merged)
  }
  return { log, history, writers, refusals }
}

function hear(writer: Writer, log: DocumentLog, facts: number): void {
  for (const fact of log.facts.slice(writer.seq, writer.seq + facts)) applyFact(writer.documents, fact)
  writer.seq = Math.min(log.facts.length, writer.seq + facts)
}

test('[DOC1] whoever applies every fact in order holds exactly the documents of the server', () => {
  fc.assert(
    fc.property(story(FIELDS), fc.nat({ max: 50 }), (steps, listedAfter) => {
      const late = held(play(steps.slice(0, listedAfter)).log.documents())
      const from = play(steps.slice(0, listedAfter)).log.facts.length
      const { log, writers } = play(steps)
      const served = held(log.documents())
      for (const writer of writers) {
        hear(writer, log, Number.POSITIVE_INFINITY)
        if (!isDeepStrictEqual(writer.documents, served)) expect(writer.documents).toEqual(served)
      }
      for (const fact of log.facts.slice(from)) applyFact(late, fact)
      return isDeepStrictEqual(late, served)
    }),
    { numRuns: 400 },
  )
})

test('[DOC3] [DOC4] nothing that was written on a base is undone unseen, and nothing is refused without a reason', () => {
  let conflicts = 0
  fc.assert(
    fc.property(story(FIELDS), (steps) => {
      const { history, refusals } = play(steps)
      conflicts += refusals.filter(({ code }) => code === 'conflict').length
      expect(history.faults).toEqual([])
      const codes = new Set(refusals.map(({ code }) => code))
      expect([...codes].filter((code) => code !== 'conflict' && code !== 'not_found')).toEqual([])
    }),
    { numRuns: 1000 },
  )
  expect(conflicts).toBeGreaterThan(500)
})
