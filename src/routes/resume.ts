import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CsrfTokens } from '../adapters/csrf-tokens.ts'
import type { KeptForms } from '../adapters/kept-forms.ts'
import { isSameOrigin } from '../domain/client-kind.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Person } from '../domain/identity.ts'
import { claimOf, MAX_KEPT_BODY_BYTES, parseFormBody } from '../domain/kept-form.ts'
import { RESUME, type ReturnToSelf } from '../domain/return-to.ts'
import { refusedFormPage, resumePage, sendFormPage } from '../pages/resume-pages.ts'
import { SCRIPT } from '../pages/script.ts'

export interface ResumeOptions {
  readonly forms: KeptForms
  readonly csrf: CsrfTokens
  readonly self: ReturnToSelf
  /** The address of the script: its path is ours to answer, its query tells versions apart. */
  readonly script: string
  readonly log: Logger
  readonly now: () => number
}

/** Sealed, a form is a third longer, and is made of characters that forms send as they are. */
const MAX_SEALED_BYTES = 2 * MAX_KEPT_BODY_BYTES

/** A form that was kept when its session was over: opened for the same person only, shown, and sent by a click of theirs. */
export const resume: FastifyPluginAsync<ResumeOptions> = async (app, { forms, csrf, self, script, log, now }) => {
  const action = self.ownPrefix + RESUME
  const signedIn = { config: { access: 'signedIn' } } as const

  app.get(script.split('?', 1)[0] ?? script, { config: { access: 'public' } }, async (request, reply) =>
    reply
      .headers({
        'content-type': 'text/javascript; charset=utf-8',
        // While replicas of two versions serve, a page of one may ask the other.
        'cache-control': request.originalUrl === script ? 'public, max-age=86400' : 'no-store',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
      })
      .send(SCRIPT),
  )

  app.get(action, signedIn, async (request, reply) => {
    const { session } = signedInPerson(request)
    return reply.sendPage(resumePage({ action, csrfToken: csrf.tokenFor(session.id), script }))
  })

  app.post(action, { ...signedIn, bodyLimit: MAX_SEALED_BYTES }, async (request, reply) => {
    const { session, person } = signedInPerson(request)
    if (!isSameOrigin(request.raw.headers, request.site.origin))
      throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' })
    if (!csrf.isValid(session.id, fieldOf(request, 'csrf'))) throw new GatewayError('GW_CSRF', { reason: 'csrf' })
    const form = forms.read(fieldOf(request, 'sealed'))
    const claim = form === null ? 'someone-else' : claimOf(form, { ...person, host: request.site.host }, now())
    const fields = form === null || claim !== 'theirs' ? null : parseFormBody(form.body)
    if (form === null || fields === null) {
      const why = claim === 'expired' ? claim : 'someone-else'
      log.info({ event: 'form_refused', requestId: request.id, reason: why }, 'a kept form was not shown')
      return reply.sendPage(refusedFormPage({ why, reference: request.id, script }))
    }
    const who = person.email ?? person.preferredUsername ?? person.username
    return reply.sendPage(sendFormPage({ who, path: form.path, form: fields, script }))
  })
}

/** Forms are people's in a browser: a bearer token has none. */
function signedInPerson({ identity, signedInSession }: FastifyRequest) {
  if (identity?.kind !== 'person' || signedInSession === null || signedInSession.person !== identity)
    throw new GatewayError('GW_FORBIDDEN', { reason: 'person_required' })
  const person: Person = identity
  return { session: signedInSession, person }
}

function fieldOf({ body }: FastifyRequest, name: string): string {
  const value: unknown =
    typeof body === 'object' && body !== null ? Object.entries(body).find(([key]) => key === name)?.[1] : ''
  return typeof value === 'string' ? value : ''
}
