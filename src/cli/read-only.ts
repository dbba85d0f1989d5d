import { type Options, readOptions } from '../server/config/config.ts'
import { OPTIONS } from '../server/config/options.ts'

/**
 * The options that a command reads, out of its environment. What is wrong with others is for `serve` to tell.
 * @throws ConfigError
 */
export function readOnly<K extends keyof Options>(keys: readonly K[]): Pick<Options, K> {
  const names = keys.flatMap((key) => [OPTIONS[key].env, ...(OPTIONS[key].aliases ?? [])])
  const environment = Object.fromEntries(names.map((name) => [name, process.env[name]]))
  // Production wants a choice; no command depends on which.
  return readOptions({ ...environment, ACCESS: 'claims' })
}
