import type { ReachAnswer, Reached } from '../domain/reach.ts'
import { escapeHtml } from './layout.ts'
import { code, either, operatorPage, table } from './operator-layout.ts'

export interface ReachPageOptions {
  /** Whether the form must show the control port's token. */
  readonly asksToken: boolean
  /** Why the last question was not answered. */
  readonly problem?: string | undefined
  readonly answer?: ReachAnswer | undefined
  /** What the answer was narrowed to. */
  readonly filter?: string | undefined
}

const MAX_ROWS = 500

const COLUMNS = [
  { title: 'Verdict', width: 14 },
  { title: 'Request', width: 36 },
  { title: 'Why', width: 20 },
  { title: 'Who may pass', width: 30 },
]

/** Who may reach what: a form, and the answer to what it asked. Neither the claims nor the token come back in it. */
export function reachPage({ asksToken, problem, answer, filter = '' }: ReachPageOptions): string {
  const said =
    problem === undefined ? '' : `<p role="alert" class="bad">${escapeHtml(problem).replaceAll('\n', '<br>')}</p>`
  const body = `${said}${answer === undefined ? '' : answerText(answer)}${form(asksToken, answer !== undefined, filter)}`
  return operatorPage({ title: 'Who may reach what', body })
}

function form(asksToken: boolean, again: boolean, filter: string): string {
  const token = asksToken
    ? `<label>Control token<small>what control.token holds; it is asked for each time and kept nowhere</small><input name="control_token" type="password" autocomplete="off" required></label>`
    : ''
  return `${again ? '<h2>Ask again</h2>' : '<p class="note">Paste the claims of somebody’s tokens, or an access token, and see every route with what becomes of their requests, by the rules that are in force. With neither: somebody who is not signed in. What you paste is not logged and not shown again; what the gateway reads in it is shown.</p>'}
<form class="fields" method="post" action="/reach">${token}
<label>Claims<small>JSON or YAML: access and id are judged as the session of a person, access alone as a bearer token. They are taken as given.</small><textarea name="claims" autocomplete="off" spellcheck="false" placeholder='{ "access": { "sub": "…", "username": "…", "client_id": "…", "cognito:groups": ["ops"] },
  "id": { "email": "…", "email_verified": true } }'></textarea></label>
<label>Or an access token<small>it is verified as a bearer token in a request: signature, times, app client, revocation; an ID token is none</small><input name="token" type="password" autocomplete="off"></label>
<label>Client address<small>for rules with clientAddresses; may be empty</small><input name="address" autocomplete="off" placeholder="10.1.2.3"></label>
<label>Show only<small>routes with this in name, address or rule; may be empty</small><input name="q" type="search" value="${escapeHtml(filter)}" autocomplete="off"></label>
<button class="button" type="submit">Ask</button></form>`
}

function answerText({ who, refused, notes, routes }: ReachAnswer): string {
  const shown = routes.slice(0, MAX_ROWS)
  const rest = routes.length - shown.length
  const more = rest === 0 ? '' : `<p class="note">${rest} more are not shown: say what to show, or ask for JSON.</p>`
  const identity = who === null ? nobodyText(refused) : identityText(who)
  return `<h2>Asked as</h2><p>${identity}<br>How it was read: ${notes.map((note) => escapeHtml(note)).join('; ')}</p>
<h2>Routes</h2><p class="facts">${countText(routes)}</p>${METHODS_NOTE}${table(COLUMNS, shown.map(row))}${more}`
}

const METHODS_NOTE =
  '<p class="note">A row holds for every method that it names: rules do not tell methods apart. It is of requests that no page of another origin sends.</p>'

function nobodyText(refused: ReachAnswer['refused']): string {
  if (refused === null) return '<strong>nobody</strong>'
  return `<strong class="bad">The token is not accepted</strong>: ${code([refused.code, refused.reason ?? []].flat().join(' '))}`
}

function identityText(who: Exclude<ReachAnswer['who'], null>): string {
  const { kind, ...parts } = who.kind === 'person' ? withTime(who) : who
  const facts = Object.entries(parts).flatMap(([name, value]: [string, unknown]) => {
    const text = factText(value)
    return text === '' ? [] : [`${escapeHtml(name)} ${code(text)}`]
  })
  return [`<strong>${kind}</strong>`, ...facts].join(' · ')
}

function withTime({ authTime, ...person }: Extract<Exclude<ReachAnswer['who'], null>, { kind: 'person' }>) {
  return { ...person, 'password given': timeText(authTime) }
}

/** The claims are whatever somebody pasted: not every number is a time. */
function timeText(epochSeconds: number): string {
  const time = new Date(epochSeconds * 1000)
  return epochSeconds === 0 || Number.isNaN(time.getTime()) ? 'unknown' : time.toISOString()
}

function factText(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(factText).join(', ')
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  return Object.entries(value)
    .map(([name, one]: [string, unknown]) => `${name}: ${factText(one)}`)
    .join('; ')
}

const VERDICTS = {
  allowed: { says: 'allowed', look: 'good' },
  denied: { says: 'denied', look: 'bad' },
  'sign-in': { says: 'sign-in needed', look: 'warn' },
  unreachable: { says: 'no address found', look: 'warn' },
} as const satisfies Record<Reached['verdict'], { says: string; look: string }>

function countText(routes: readonly Reached[]): string {
  return Object.entries(VERDICTS)
    .map(([verdict, { says, look }]) => ({ says, look, count: routes.filter((one) => one.verdict === verdict).length }))
    .filter(({ count }) => count > 0)
    .map(({ says, look, count }) => `<span class="badge ${look}">${count} ${says}</span>`)
    .join('')
}

function row({ verdict, methods, othersOnly, address, route, rule, ...why }: Reached): readonly string[] {
  const { says, look } = VERDICTS[verdict]
  const asked = methods === null ? (othersOnly ? 'every other method' : 'every method') : methods.join(', ')
  return [
    `<span class="badge ${look}">${says}</span>`,
    `${escapeHtml(asked)} ${code(address)}<small>${escapeHtml(route)}</small>`,
    whyText(why),
    either(rule),
  ]
}

function whyText({ code: errorCode, status, reason, missing, wouldDeny }: Why): string {
  // Where the rule lacks one thing only, the reason says it all.
  const entries = missing.length === 1 && missing[0]?.length === 1 ? [] : missing.map(entryText)
  if (wouldDeny !== null) return `the route only reports: the rule refuses ${code(wouldDeny)}${small(entries)}`
  return errorCode === null ? '' : `${code([status, errorCode, reason ?? []].flat().join(' '))}${small(entries)}`
}

type Why = Pick<Reached, 'code' | 'status' | 'reason' | 'missing' | 'wouldDeny'>

const small = (texts: readonly string[]): string => texts.map((text) => `<small>${text}</small>`).join('')

/** What each way in of the rule lacks. */
function entryText(lacking: readonly string[], at: number): string {
  return `way in ${at + 1} lacks ${escapeHtml(lacking.join(', '))}`
}
