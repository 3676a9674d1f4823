import { hasMark, type ListedApplication, type ListedRoute, type Loosened } from '../domain/route-listing.ts'
import { escapeHtml } from './layout.ts'
import { code, either, operatorPage, table } from './operator-layout.ts'

export interface RoutesPageOptions {
  /** Those that fit the filter. */
  readonly applications: readonly ListedApplication[]
  readonly filter: string
  /** From 1 on. */
  readonly page: number
  readonly state: StateOfSettings
}

/** Of the settings in force. */
export interface StateOfSettings {
  readonly hash: string
  /** Epoch milliseconds. */
  readonly since: number
  /** Names of settings that hold from the next start on. */
  readonly waiting: readonly string[]
  readonly version: string
}

/** A page of so many routes has about 200 KB, which a browser shows at once. */
const ROUTES_A_PAGE = 400
/** Of so many applications each has a link at the top. */
const MAX_JUMPS = 200

const COLUMNS = [
  { title: 'Path', width: 30 },
  { title: 'Methods', width: 14 },
  { title: 'Who may pass', width: 36 },
  { title: 'Less strict', width: 20 },
]

/** Every route that is in force, under its application, in the order in which they win. */
export function routesPage({ applications, filter, page: asked, state }: RoutesPageOptions): string {
  const total = applications.reduce((sum, { routes }) => sum + routes.length, 0)
  const pages = paged(applications)
  const page = Math.min(asked, pages.length)
  const shown = pages[page - 1] ?? []
  const body = `
<p class="facts">${stateText(state)}</p>${waitingText(state.waiting)}
<form class="filter" method="get" action="/routes" role="search"><input name="q" type="search" value="${escapeHtml(filter)}" placeholder="Filter: an application, host, path, group, method …" aria-label="Filter" autocomplete="off"><button class="button" type="submit">Filter</button></form>
<p class="note">${countText(total, applications.length)}. Of the routes that cover a path the upper one decides; a method that none of a path's routes lists is refused.
As data: <a href="/routes.json">routes.json</a>.</p>
${jumps(pages, { filter, page })}
${shown.map(section).join('\n')}
${pageLinks(pages.length, { filter, page })}`
  return operatorPage({ title: 'Routes', body })
}

interface Place {
  readonly filter: string
  readonly page: number
}

/** An application that is longer than what is left of a page goes on on the next one. */
function paged(applications: readonly ListedApplication[]): readonly (readonly ListedApplication[])[] {
  const pages: ListedApplication[][] = [[]]
  let left = ROUTES_A_PAGE
  for (const application of applications) {
    for (let at = 0; at < application.routes.length || at === 0;) {
      if (left === 0) {
        pages.push([])
        left = ROUTES_A_PAGE
      }
      const routes = application.routes.slice(at, at + left)
      pages.at(-1)?.push({ ...application, routes })
      left -= routes.length
      at += Math.max(1, routes.length)
    }
  }
  return pages
}

function stateText({ hash, since, version }: StateOfSettings): string {
  return `In force since ${code(`${new Date(since).toISOString().slice(0, 19).replace('T', ' ')} UTC`)} · settings ${code(hash)} · version ${code(version)}`
}

function waitingText(waiting: readonly string[]): string {
  if (waiting.length === 0) return ''
  const names = waiting.slice(0, 20).map(code).join(', ')
  const more = waiting.length > 20 ? ` and ${waiting.length - 20} more` : ''
  return `<p class="warn" role="status">Changed in the file, and not in force before the next start: ${names}${more}.</p>`
}

function countText(routes: number, applications: number): string {
  const of = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
  return `${of(routes, 'route')} of ${of(applications, 'application')}`
}

function jumps(pages: readonly (readonly ListedApplication[])[], { filter, page }: Place): string {
  const first = new Map<string, number>()
  for (const [at, applications] of pages.entries())
    for (const { name } of applications) if (!first.has(name)) first.set(name, at + 1)
  if (first.size < 2 || first.size > MAX_JUMPS) return ''
  const links = [...first].map(([name, at]) => {
    const place = at === page ? '' : addressOf({ filter, page: at })
    return `<a href="${escapeHtml(`${place}#${anchorOf(name)}`)}">${escapeHtml(name)}</a>`
  })
  return `<nav class="jump" aria-label="Applications">${links.join(' ')}</nav>`
}

function pageLinks(count: number, { filter, page }: Place): string {
  if (count < 2) return ''
  const link = (to: number, says: string): string =>
    to < 1 || to > count ? '' : `<a href="${escapeHtml(addressOf({ filter, page: to }))}">${says}</a> `
  return `<nav class="jump" aria-label="Pages">Page ${page} of ${count} ${link(page - 1, 'Previous')}${link(page + 1, 'Next')}</nav>`
}

const addressOf = ({ filter, page }: Place): string =>
  `/routes?${new URLSearchParams({ ...(filter === '' ? {} : { q: filter }), page: String(page) }).toString()}`

const anchorOf = (name: string): string => `app-${name}`

function section(application: ListedApplication): string {
  const { name, hosts, path, pools, upstreams, identity, loosened, routes } = application
  const facts = [
    `${hosts.map((host) => code(host + (path === '/' ? '/' : `${path}/`))).join(', ')} → ${upstreams.map(code).join(', ')}`,
    `pool ${pools.map(escapeHtml).join(', ')}`,
    `identity ${identity.length === 0 ? 'none' : escapeHtml(identity.join(', '))}`,
  ]
  const rows = routes.map((route) => row(route, application))
  return `<section><h2 id="${escapeHtml(anchorOf(name))}">${escapeHtml(name)}</h2><p class="facts">${facts.join(' · ')}${loosened.length === 0 ? '' : `<span class="warned">In all its routes: ${loosened.map(markText).join(' · ')}</span>`}</p>${table(COLUMNS, rows)}</section>`
}

function row(route: ListedRoute, whole: ListedApplication): readonly string[] {
  const { name, path, methods, othersOnly, rule, access, upstreams, identity, loosened } = route
  const differs = [
    ...(whole.upstreams.join() === upstreams.join() ? [] : [`→ ${upstreams.join(', ')}`]),
    ...(access === 'public' || whole.identity.join() === identity.join() ? [] : [`identity ${identity.join(', ')}`]),
  ]
  const nobodyAsked = access === 'public' || access === 'optional'
  return [
    `${code(path)}${[name, ...differs].map((text) => `<small>${escapeHtml(text)}</small>`).join('')}`,
    methods === null ? (othersOnly ? 'every other' : 'every') : escapeHtml(methods.join(', ')),
    `${nobodyAsked ? `<span class="badge warn">${access}</span> ` : ''}${either(rule)}`,
    loosened
      .filter((mark) => !hasMark(whole, mark))
      .map((mark) => `<span class="warned">${markText(mark)}</span>`)
      .join(''),
  ]
}

const markText = ({ setting, says }: Loosened): string => `<strong>${escapeHtml(setting)}</strong> ${escapeHtml(says)}`
