import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageFolder } from './machine.ts'

/** A file beside the report that is kept in the repository. */
export const benchFile = (name: string): string => join(packageFolder, 'bench', name)

/** Replaces what stands between the markers of this name in bench/README.md. */
export function writeReport(name: string, text: string): void {
  const file = benchFile('README.md')
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const before = readFileSync(file, 'utf8')
  const [head, rest] = before.split(begin)
  const tail = rest?.split(end)[1]
  if (tail === undefined) throw new Error(`bench/README.md lacks ${begin} … ${end}: put both lines back`)
  writeFileSync(file, `${head}${begin}\n\n${text}\n\n${end}${tail}`)
}
