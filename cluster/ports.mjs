import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Free ports of this computer, all different.
 * @param first the port that the first one must be; 0 for any
 * @throws Error when that is in use
 */
export async function freePorts(count, first = 0) {
  const probes = []
  try {
    for (let i = 0; i < count; i++) {
      const probe = createServer()
      probes.push(probe)
      probe.listen(i === 0 ? first : 0, '127.0.0.1')
      await once(probe, 'listening')
    }
    return probes.map((probe) => probe.address().port)
  } catch (error) {
    throw new Error(`Port ${first} cannot be listened on (${error.code}): set PORT to another, 0 takes any free one`)
  } finally {
    for (const probe of probes.filter(({ listening }) => listening)) {
      probe.close()
      await once(probe, 'close')
    }
  }
}
