import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Logger } from 'pino'
import type { KeptForms } from '../adapters/kept-forms.ts'
import { isSameOrigin } from '../domain/client-kind.ts'
import { MAX_KEPT_BODY_BYTES, parseFormBody } from '../domain/kept-form.ts'
import { parseReturnTo, type ReturnToSelf } from '../domain/return-to.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What becomes of a form that a page posted without a session. Reads the body only where it is to be kept. */
    keepForm(request: FastifyRequest): Promise<FormFate>
  }
}

/** `lost`: nothing of it was kept, and a person whose session has ended may know why. */
export type FormFate =
  | { readonly kind: 'kept'; readonly sealed: string }
  | { readonly kind: 'lost'; readonly why: 'files' | 'too-large' | 'unknown' }

export interface KeepFormOptions {
  readonly forms: KeptForms
  readonly self: ReturnToSelf
  readonly log: Logger
  readonly now: () => number
}

/** 64 KiB at most: no browser takes this long to send them. */
const BODY_PATIENCE_MS = 10_000
const LOST: FormFate = { kind: 'lost', why: 'unknown' }

const plugin: FastifyPluginCallback<KeepFormOptions> = (app, { forms, self, log, now }, ready) => {
  app.decorate('keepForm', async (request) => {
    const { route, lapsedSession, signedInSession, target, site } = request
    const { headers } = request.raw
    // Whoever else posts here gets nothing that could be used, and nobody reads what they send.
    const person = (request.signedInWithinSeconds === null ? lapsedSession : signedInSession)?.person
    if (request.method !== 'POST' || route === null || target === null || person?.pool !== route.pool) return LOST
    if (!isSameOrigin(headers, site.origin)) return LOST
    const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    if (type === 'multipart/form-data') return { kind: 'lost', why: 'files' }
    const wanted = target.rawPath + target.query
    const path = parseReturnTo(wanted, self)
    if (type !== 'application/x-www-form-urlencoded' || path !== wanted) return LOST

    const body = await bodyOf(request)
    if (body === 'too-large') return { kind: 'lost', why: 'too-large' }
    if (body === null || parseFormBody(body.text) === null) return LOST
    log.info({ event: 'form_kept', requestId: request.id, bytes: body.text.length }, 'a form was kept')
    const { pool, subject } = person
    const form = { pool, subject, host: site.host, method: 'POST', path, body: body.text, keptAt: now() } as const
    return { kind: 'kept', sealed: forms.write(form) }
  })
  ready()
}

type Body = { readonly text: string } | 'too-large' | null

/** The whole body of a small request; null where it does not come, or not in time. */
async function bodyOf({ raw }: FastifyRequest): Promise<Body> {
  if (Number(raw.headers['content-length'] ?? 0) > MAX_KEPT_BODY_BYTES) return 'too-large'
  // No browser asks before it sends a form.
  if (raw.expectsContinue === true) return null
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const finish = (body: Body): void => {
      clearTimeout(patience)
      raw.off('data', take)
      if (!raw.complete) raw.pause()
      resolve(body)
    }
    const take = (chunk: Buffer): void => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > MAX_KEPT_BODY_BYTES) finish('too-large')
    }
    const patience = setTimeout(() => finish(null), BODY_PATIENCE_MS)
    raw.on('data', take)
    raw.once('end', () => finish({ text: Buffer.concat(chunks).toString('latin1') }))
    raw.once('close', () => finish(null))
  })
}

export const keepForm = fp(plugin, { name: 'keep-form', fastify: '5.x' })
