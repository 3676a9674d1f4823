import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

type Schema = Record<string, unknown>

interface Definition {
  readonly spec: {
    readonly group: string
    readonly names: { readonly kind: string }
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[]
  }
}

/** Writes the schema of each version of each CRD, strict, as kubeconform looks for it: {group}/{kind}-{version}.json. */
export function writeCrdSchemas(crdFolder: string, target: string): void {
  for (const file of readdirSync(crdFolder)) {
    const { group, names, versions } = (parse(readFileSync(join(crdFolder, file), 'utf8')) as Definition).spec
    mkdirSync(join(target, group), { recursive: true })
    for (const { name, schema } of versions) {
      const { metadata: _, ...properties } = schema.openAPIV3Schema['properties'] as Schema
      const whole = strict({ ...schema.openAPIV3Schema, properties: { ...properties, metadata: { type: 'object' } } })
      writeFileSync(join(target, group, `${names.kind.toLowerCase()}-${name}.json`), JSON.stringify(whole))
    }
  }
}

/** What the API server would drop in silence is a fault here. */
function strict(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(strict)
  if (typeof node !== 'object' || node === null) return node
  const own: Schema = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, strict(value)]))
  const open = 'additionalProperties' in own || own['x-kubernetes-preserve-unknown-fields'] === true
  const named = typeof own['properties'] === 'object' && own['type'] === 'object'
  return named && !open ? { ...own, additionalProperties: false } : own
}
