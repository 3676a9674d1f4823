import type { IncomingMessage } from 'node:http'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import { GatewayError } from '../domain/errors.ts'
import { headersOfQuestion, type AskingProxy, type QuestionRefusal } from '../domain/proxy-question.ts'

export interface QuestionOptions {
  readonly proxy: AskingProxy
  readonly metrics: Metrics
}

/** What browsers keep of an application for everybody: no answer to such a request carries a cookie that can wait. */
const KEPT_FOR_ALL = new Set(['audio', 'font', 'image', 'manifest', 'script', 'style', 'track', 'video'])

/** Who may ask about the requests of others, and which of their questions can be answered at all. */
const hook: FastifyPluginCallback<QuestionOptions> = (app, { proxy, metrics }, ready) => {
  const expected = `a question of ${proxy} has ${headersOfQuestion(proxy).join(', ')}, each of them once`

  app.addHook('onRequest', (request, _reply, done) => {
    const refusal = refusalOf(request.raw)
    if (refusal === null) {
      request.leadsBy = redirects(request) ? 'absoluteRedirect' : 'header'
      done()
      return
    }
    metrics.count('requests_refused_total', { reason: refusal.reason ?? '' })
    done(refusal)
  })

  function refusalOf({ socket, question }: IncomingMessage): GatewayError | null {
    // Whoever is believed nothing could ask with any address and any host.
    if ((socket.peer?.believed.size ?? 0) === 0) return new GatewayError('GW_FORBIDDEN', { reason: 'proxy_untrusted' })
    if (question === undefined) return new GatewayError('GW_INTERNAL', { detail: 'the question was not parsed' })
    return question.ok ? null : refused(question.refusal)
  }

  function refused(refusal: QuestionRefusal): GatewayError {
    switch (refusal) {
      case 'address':
        return new GatewayError('GW_ROUTE_UNKNOWN', { reason: 'question_address' })
      case 'method':
        return new GatewayError('GW_METHOD_NOT_ALLOWED', { reason: 'question_method', headers: { allow: 'GET' } })
      case 'body':
        return new GatewayError('GW_REQUEST_REFUSED', {
          reason: 'question_body',
          detail: 'the proxy must ask without the body of the request that it asks about',
        })
      case 'upgrade':
        return new GatewayError('GW_REQUEST_REFUSED', {
          reason: 'question_upgrade',
          detail: 'the proxy must let nobody upgrade a connection but to a WebSocket',
        })
      case 'missing':
      case 'repeated':
      case 'malformed':
        return new GatewayError('GW_REQUEST_REFUSED', { reason: `question_${refusal}`, detail: expected })
    }
  }

  app.addHook('onSend', (request, reply, _payload, done) => {
    const { cookiesToSet, setCookiesAreOptional, raw } = request
    if (setCookiesAreOptional && KEPT_FOR_ALL.has(String(raw.headers['sec-fetch-dest']))) request.cookiesToSet = null
    else if (cookiesToSet !== null && copiesCookies(proxy, reply.statusCode)) {
      let number = 0
      for (const cookie of cookiesToSet.values()) reply.header(`x-gateway-set-cookie-${(number += 1)}`, cookie)
      request.cookiesToSet = null
    }
    done()
  })
  ready()
}

const redirects = ({ raw }: FastifyRequest): boolean => raw.question?.ok === true && raw.question.redirect

/** Where a proxy copies an answer's headers one by one, it has one value of each: two cookies need two names. */
function copiesCookies(proxy: AskingProxy, status: number): boolean {
  return proxy === 'nginx' || (proxy === 'caddy' && status < 300)
}

/** What is no fault of ours, though its status looks like one. */
const REFUSALS = new Set([501, 508])

/**
 * nginx knows yes, 401 and 403, and takes everything else for a fault of ours. A question that nobody can answer is one; a request that may
 * not pass for another reason is refused.
 */
export function statusForNginx(status: number, { raw }: FastifyRequest): number {
  const isRefusal = (status >= 400 && status < 500 && status !== 401) || REFUSALS.has(status)
  return raw.question?.ok === true && isRefusal ? 403 : status
}

export const question = fp(hook, { name: 'question', fastify: '5.x', dependencies: ['error-handler', 'observe'] })
