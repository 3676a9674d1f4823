import { setImmediate } from 'node:timers/promises'
import type { Bearers } from './adapters/bearers.ts'
import { claimsIn } from './config/explain-files.ts'
import { SettingsError } from './config/load.ts'
import type { RouteSettings } from './config/settings.ts'
import { GatewayError } from './domain/errors.ts'
import { plainIdentity } from './domain/identity.ts'
import { reachAt, type Ask, type Reached, type ReachAnswer, type ReachQuestion } from './domain/reach.ts'
import { byPrecedence, restRoutes } from './domain/precedence.ts'
import { createExplainer, identityOf, QuestionError, STRANGER, type Asker, type Explainer } from './explainer.ts'
import type { Parts } from './parts.ts'

/** Says who may reach what. Rejects with GW_REQUEST_REFUSED for a question that cannot be understood. */
export type Reach = (question: ReachQuestion) => Promise<ReachAnswer>

/** So many routes are a few milliseconds; then requests have their turn. */
const AT_A_TIME = 200

/** Over the running gateway's table, rules and verifier of tokens. */
export function createReach({
  settings,
  table,
  bearers,
  now,
}: Pick<Parts, 'settings' | 'table' | 'bearers' | 'now'>): Reach {
  const explainer = createExplainer(settings, now, table)
  const { protocol, port } = new URL(settings.publicUrl)
  const routes = settings.applications.flatMap((application) => byPrecedence(application.routes))
  const isRest = restRoutes(routes)

  async function reachAll(ask: Ask<RouteSettings>): Promise<readonly Reached[]> {
    const reached: Reached[] = []
    for (const [at, route] of routes.entries()) {
      if (at % AT_A_TIME === AT_A_TIME - 1) await setImmediate()
      reached.push(...reachAt(route, isRest(route), ask))
    }
    return reached
  }

  return async (question) => {
    try {
      const asker = await askerOf(question, { explainer, bearers })
      const identity = identityOf(asker)
      const ask: Ask<RouteSettings> = ({ method, host, path }) => {
        const url = `${protocol}//${host}${port === '' ? '' : `:${port}`}${path}`
        const request = { method, url, address: question.address, headers: {} }
        return { explanation: explainer.explain(request, asker), address: url }
      }
      return {
        who: identity === null || identity instanceof GatewayError ? null : plainIdentity(identity),
        refused: identity instanceof GatewayError ? { code: identity.code, reason: identity.reason ?? null } : null,
        notes: asker.notes,
        routes: await reachAll(ask),
      }
    } catch (error) {
      if (error instanceof QuestionError || error instanceof SettingsError)
        throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'malformed', remedy: error.message })
      throw error
    }
  }
}

async function askerOf(
  { claims, token }: ReachQuestion,
  { explainer, bearers }: { readonly explainer: Explainer; readonly bearers: Bearers },
): Promise<Asker> {
  if (claims !== '' && token !== '') throw new QuestionError('claims and a token are two answers to one question')
  if (claims !== '') return explainer.byClaims(claimsIn(claims))
  return token === '' ? { ...explainer.nobody, notes: ['nobody is signed in'] } : byToken(token, bearers)
}

/** As the gateway would take it in an Authorization header: verified, and asked whether it was revoked. */
async function byToken(token: string, bearers: Bearers): Promise<Asker> {
  const own = bearers.ownTokenIn(`Bearer ${token}`)
  if (own === null) {
    const notes = ['this is no token of our user pools: it says nothing here']
    return { session: null, authorization: STRANGER, notes }
  }
  try {
    const notes = ['read as Authorization: Bearer; signature, issuer, times, app client and revocation were checked']
    const identity = await bearers.identityOf(own)
    return { session: null, authorization: { kind: 'token', identity }, notes }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const notes = [
      `read as Authorization: Bearer, and not accepted${error.code === 'GW_TOKEN_USE' ? NO_ACCESS_TOKEN : ''}`,
    ]
    return { session: null, authorization: { kind: 'token', identity: error }, notes }
  }
}

const NO_ACCESS_TOKEN =
  ': it is no access token. What the person of an ID token may reach once signed in, the claims say: paste those of both tokens'
