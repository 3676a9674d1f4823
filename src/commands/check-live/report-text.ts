import type { PoolReport } from './check-live.ts'
import type { Finding, Verdict } from './finding.ts'

const VERDICT_WIDTH = 9

/** For people: a line for each question, and below it what to do. */
export function reportText(reports: readonly PoolReport[]): string {
  return [...reports.map(poolText), summary(reports.flatMap(({ findings }) => findings))].join('\n\n')
}

function poolText({ pool, userPoolId, clientId, findings }: PoolReport): string {
  const width = Math.max(...findings.map(({ question }) => question.length)) + 2
  const indent = ' '.repeat(2 + VERDICT_WIDTH + width)
  const lines = findings.flatMap(({ question, verdict, found, remedy }) => [
    `  ${verdict.padEnd(VERDICT_WIDTH)}${question.padEnd(width)}${found}`,
    ...(remedy === undefined ? [] : [`${indent}→ ${remedy}`]),
  ])
  return [`${pool}: user pool ${userPoolId}, app client ${clientId}`, ...lines].join('\n')
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Verdict): number => findings.filter(({ verdict }) => verdict === wanted).length
  return `${findings.length} answers: ${count('ok')} ok, ${count('wrong')} wrong, ${count('unwise')} unwise, ${count('unknown')} unknown.`
}
