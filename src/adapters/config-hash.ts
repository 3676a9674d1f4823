import { createHash } from 'node:crypto'

/** Stands for settings in metrics and pages, so that replicas can be compared. No secret goes into it: those count as `[secret]`. */
export function configHash(settings: object): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 12)
}
