import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { RouteSettings } from '../../config/settings.ts'
import { isUpgrade } from '../../domain/client-kind.ts'
import { GatewayError } from '../../domain/errors.ts'
import { identityHeaderNames } from '../../domain/identity-headers.ts'
import type { AskingProxy } from '../../domain/proxy-question.ts'
import { upgradeFault } from '../../domain/web-socket.ts'
import { createPassages, type PassageOptions } from './passage.ts'

export interface ForwardAuthOptions extends PassageOptions {
  /** Where questions about applications come out inside. */
  readonly path: string
  readonly methods: readonly string[]
  readonly proxy: AskingProxy
}

/**
 * The answer to a proxy that asks whether a request may pass: whoever gets here holds a permit. It tells the headers that the application would
 * get from us, and each of them every time, so that the proxy writes over whatever its client sent under that name.
 */
export const forwardAuth: FastifyPluginAsync<ForwardAuthOptions> = async (app, options) => {
  const { path, methods, proxy, routes } = options
  const passageOf = createPassages(options)
  const names = namesTold(routes)
  const status = proxy === 'envoy' ? 200 : 202

  app.route({
    method: [...methods],
    url: path,
    config: { access: 'signedIn' },
    handler: async (request, reply) =>
      reply
        .code(status)
        .headers({ 'cache-control': 'no-store', 'x-request-id': request.id, ...told(request) })
        .send(),
  })

  function told(request: FastifyRequest): Record<string, string> {
    const { route, permit, target } = request
    if (route === null || permit === null || target === null)
      throw new GatewayError('GW_INTERNAL', { detail: 'no permit to tell of' })
    requireOfRoute(request, route)
    const answer: Record<string, string> = Object.fromEntries(names.map((name) => [name, '']))
    // A bearer token decides alone, whatever session came along.
    const session = permit.identity === null || request.bearer !== null ? null : request.signedInSession
    const path = { path: target.rawPath, prefix: null }
    const headers = passageOf(route, request.site).headersFor(
      { request, permit, session, path, pin: null, bound: null },
      '',
    )
    for (let at = 0; at < headers.length; at += 2) {
      const name = (headers[at] ?? '').toLowerCase()
      if (Object.hasOwn(answer, name)) answer[name] = headers[at + 1] ?? ''
    }
    return answer
  }
}

/** What the public listener would not pass on to the application either. */
function requireOfRoute({ raw, isPreflight }: FastifyRequest, route: RouteSettings): void {
  // Our own answer would have to be a success, and that is a permit here.
  if (isPreflight && route.cors.preflight === 'answer')
    throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'question_preflight' })
  if (!isUpgrade(raw.headers)) return
  if (!route.webSocket.allow) throw new GatewayError('GW_UPGRADE_UNSUPPORTED', { reason: 'upgrade' })
  const fault = upgradeFault(raw)
  if (fault !== null) throw new GatewayError('GW_REQUEST_REFUSED', { reason: fault })
}

/** What any route tells: an application must not believe a client on one route what we say on another. Cookies and tokens of ours stay here. */
function namesTold(routes: readonly RouteSettings[]): readonly string[] {
  const names = routes.flatMap(({ identity, requestHeaders }) => [
    ...identityHeaderNames(identity),
    ...Object.keys(requestHeaders.set),
  ])
  return [...new Set([...names.map((name) => name.toLowerCase()), 'authorization', 'cookie'])]
}
