import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'

export const ENDPOINTS = ['discovery', 'jwks', 'authorize', 'token', 'userInfo', 'revoke', 'logout'] as const

export type Endpoint = (typeof ENDPOINTS)[number]

/** One misbehaviour to come. Faults of one endpoint are used up in the order given. */
export const Fault = z.strictObject({
  /** The endpoint, or `callback`: the redirect that brings a person back to the client. */
  on: z.enum([...ENDPOINTS, 'callback']),
  /** For how many requests; one when absent. */
  times: z.union([z.int().min(1), z.literal('always')]).optional(),
  /** Only for requests whose form, or query where there is no form, has these values. */
  when: z.record(z.string(), z.string()).optional(),
  delayMs: z.int().min(0).optional(),
  status: z.int().min(200).max(599).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  /** An answer as JSON. */
  body: z.unknown().optional(),
  /** An answer as it is. */
  rawBody: z.string().optional(),
  /** Destroys the connection without an answer. */
  reset: z.boolean().optional(),
  /** Never answers, and keeps the connection. */
  hang: z.boolean().optional(),
  /** Laid over the JSON of the right answer, or over the query of the callback; null removes. */
  patch: z.record(z.string(), z.unknown()).optional(),
  /** The callback comes without its state, as after some SAML sign-ins. */
  dropState: z.boolean().optional(),
})
export type Fault = z.infer<typeof Fault>

declare module 'fastify' {
  interface FastifyContextConfig {
    poolEndpoint?: Endpoint
  }
}

/** The faults to come, and how often each endpoint was asked. */
export class Faults {
  readonly coming: Fault[] = []
  readonly calls: Record<string, number> = Object.fromEntries(ENDPOINTS.map((name) => [name, 0]))
  readonly #used = new WeakMap<Fault, number>()

  /** The next fault for this request, counted as used. */
  take(on: Fault['on'], parameters: URLSearchParams): Fault | undefined {
    const applies = ({ on: where, when = {} }: Fault): boolean =>
      where === on && Object.entries(when).every(([name, value]) => parameters.get(name) === value)
    const index = this.coming.findIndex(applies)
    const fault = this.coming[index]
    if (fault === undefined || fault.times === 'always') return fault
    const used = (this.#used.get(fault) ?? 0) + 1
    this.#used.set(fault, used)
    if (used >= (fault.times ?? 1)) this.coming.splice(index, 1)
    return fault
  }
}

/** Counts the calls of every route that names its endpoint, and lets its faults happen instead of the right answer. */
export function addFaults(app: FastifyInstance, faults: Faults): void {
  const closing = new AbortController()
  const patches = new WeakMap<FastifyRequest, Readonly<Record<string, unknown>>>()

  app.addHook('preHandler', async (request, reply) => {
    const endpoint = request.routeOptions.config.poolEndpoint
    if (endpoint === undefined) return
    faults.calls[endpoint] = (faults.calls[endpoint] ?? 0) + 1
    const fault = faults.take(endpoint, parametersOf(request))
    if (fault === undefined) return
    if (fault.patch !== undefined) patches.set(request, fault.patch)
    await happen(fault, request, { reply, closing: closing.signal })
  })

  app.addHook('onSend', async (request, reply, payload) => {
    const patch = patches.get(request)
    if (patch === undefined || typeof payload !== 'string' || !payload.startsWith('{')) return payload
    reply.removeHeader('content-length')
    return JSON.stringify(withPatch(z.record(z.string(), z.unknown()).parse(JSON.parse(payload)), patch))
  })

  app.addHook('preClose', async () => closing.abort())
}

/** An object with a patch laid over it; null removes. */
export function withPatch(
  content: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...content, ...patch }).filter(([, value]) => value !== null))
}

/** Returns nothing, because awaiting a reply would mean to wait until it is sent. */
async function happen(
  fault: Fault,
  request: FastifyRequest,
  { reply, closing }: { readonly reply: FastifyReply; readonly closing: AbortSignal },
): Promise<void> {
  if (fault.delayMs !== undefined) await wait(fault.delayMs, undefined, { signal: closing }).catch(() => undefined)
  if (fault.hang === true || fault.reset === true) {
    reply.hijack()
    if (fault.reset === true) request.raw.socket.destroy()
    return
  }
  reply.headers(fault.headers ?? {})
  const body = fault.rawBody ?? (fault.body === undefined ? undefined : JSON.stringify(fault.body))
  if (body === undefined && fault.status === undefined) return
  if (fault.rawBody === undefined && body !== undefined) reply.type('application/json;charset=UTF-8')
  reply.code(fault.status ?? 200).send(body)
}

function parametersOf(request: FastifyRequest): URLSearchParams {
  if (request.body instanceof URLSearchParams) return request.body
  return new URLSearchParams(request.raw.url?.split('?')[1])
}
