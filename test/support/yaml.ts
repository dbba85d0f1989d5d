import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Reads a YAML file of the project, as `docker-compose.yml`. */
export function readYaml(name: string): unknown {
  const { load } = createRequire(import.meta.url)('js-yaml') as { load(text: string): unknown }
  return load(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'))
}
