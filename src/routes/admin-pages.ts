import type { FastifyPluginAsync } from 'fastify'
import type { Settings } from '../config/settings.ts'
import { filterApplications, listApplications, type ListedApplication } from '../domain/route-listing.ts'
import { adminIndexPage } from '../pages/admin-index-page.ts'
import { OPERATOR_HEADERS } from '../pages/operator-layout.ts'
import { routesPage } from '../pages/routes-page.ts'

export interface AdminPagesOptions {
  readonly version: string
  readonly now: () => number
  /** What holds now, which need not be what the file says. */
  readonly inForce: () => { readonly settings: Settings; readonly hash: string; readonly since: number }
  /** Names of settings that were changed and hold from the next start on. */
  readonly waiting: () => readonly string[]
}

const MAX_FILTER = 200

/** Pages of the admin port: what there is, and the routes that are in force. Nothing in them is secret. */
export const adminPages: FastifyPluginAsync<AdminPagesOptions> = async (app, { version, now, inForce, waiting }) => {
  const listed = (filter: string): readonly ListedApplication[] =>
    filterApplications(listApplications(inForce().settings.applications, now()), filter)
  const state = () => ({ hash: inForce().hash, since: inForce().since, waiting: waiting(), version })

  app.get('/', async (_request, reply) => reply.headers(OPERATOR_HEADERS).send(adminIndexPage(version)))

  app.get('/routes', async (request, reply) => {
    const { filter, page, wantsJson } = questionIn(request.url, request.headers.accept)
    reply.header('vary', 'accept')
    if (wantsJson) return reply.headers(DATA_HEADERS).send(asData(listed(filter), state()))
    return reply
      .headers(OPERATOR_HEADERS)
      .send(routesPage({ applications: listed(filter), filter, page, state: state() }))
  })

  app.get('/routes.json', async (request, reply) => {
    const { filter } = questionIn(request.url, undefined)
    return reply.headers(DATA_HEADERS).send(asData(listed(filter), state()))
  })
}

const DATA_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

function questionIn(url: string, accept: string | undefined) {
  const parameters = new URL(url, 'http://admin').searchParams
  const page = Number(parameters.get('page') ?? 1)
  return {
    filter: (parameters.get('q') ?? '').slice(0, MAX_FILTER),
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
    wantsJson: accept !== undefined && accept.includes('application/json') && !accept.includes('text/html'),
  }
}

function asData(
  applications: readonly ListedApplication[],
  { hash, since, waiting, version }: { hash: string; since: number; waiting: readonly string[]; version: string },
) {
  return { version, hash, since: new Date(since).toISOString(), waiting, applications }
}
