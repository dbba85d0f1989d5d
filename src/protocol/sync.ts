import { z } from 'zod'
import { MAX_BATCH } from './limits.ts'

// A malformed operation is refused alone, so each is only checked for itself when its turn comes.
export const syncBody = z.object({ operations: z.array(z.unknown()).max(MAX_BATCH) })
