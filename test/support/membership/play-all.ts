import fc from 'fast-check'
import { expect } from 'vitest'
import { Play } from './play.ts'
import { CHANNELS, type Program, program } from './program.ts'
import type { World } from './terminal.ts'
import { verdictOn } from './verdict.ts'

async function play(world: World, bursts: Program): Promise<void> {
  try {
    const game = new Play(world)
    await game.begin()
    await game.run(bursts)
    expect(await verdictOn(game.terminals, CHANNELS)).toEqual([])
  } finally {
    await world.close()
  }
}

/**
 * Plays programs in worlds of their own, and no new one when so many ms have gone. `FACT3_SEED` and `FACT3_PATH` play
 * again what failed; they stand in its message.
 */
export async function playAll(numRuns: number, ms: number, open: (seed: number) => Promise<World>): Promise<void> {
  const { FACT3_SEED: seed, FACT3_PATH: path } = process.env
  const end = Date.now() + ms
  const property = fc.asyncProperty(program, fc.nat(1_000_000), async (bursts, slowness) => {
    if (Date.now() < end) await play(await open(slowness), bursts)
  })
  await fc.assert(property, { numRuns, ...(seed && { seed: Number(seed) }), ...(path && { path }) })
}
