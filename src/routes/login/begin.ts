import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CognitoClient, CognitoPage } from '../../adapters/cognito-client.ts'
import type { LoginStates } from '../../adapters/login-states.ts'
import type { Metrics } from '../../adapters/metrics.ts'
import type { SafePath } from '../../domain/return-to.ts'
import type { Attempts } from './attempts.ts'

export interface BeginParts {
  readonly cognito: CognitoClient
  readonly states: LoginStates
  readonly metrics: Metrics
  readonly log: Logger
  readonly now: () => number
  readonly pool: string
  /** The registered callback, from the settings. */
  readonly callbackUrl: string
}

export interface Beginning {
  readonly page: CognitoPage
  readonly returnTo: SafePath
  readonly identityProvider?: string | undefined
  readonly loginHint?: string | undefined
  /** This sign-in replaces one whose attempt was gone when it came back. */
  readonly restarted?: boolean
  /** Cognito's own session was ended first. */
  readonly renewed?: boolean
}

/** Begins a sign-in: keeps its secrets in the browser, sealed, and sends the person to Cognito. */
export async function beginLogin(
  parts: BeginParts,
  attempts: Attempts,
  beginning: Beginning,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<FastifyReply> {
  const { cognito, states, metrics, now, pool, callbackUrl } = parts
  const startedAt = now()
  const attempt = {
    id: random(6),
    secret: random(16),
    nonce: random(32),
    verifier: random(32),
    returnTo: beginning.returnTo,
    startedAt,
  }
  const url = await cognito.pageUrl(beginning.page, {
    redirectUri: callbackUrl,
    state: states.write({
      ...attempt,
      pool,
      restarted: beginning.restarted ?? false,
      renewed: beginning.renewed ?? false,
    }),
    nonce: attempt.nonce,
    verifier: attempt.verifier,
    identityProvider: beginning.identityProvider,
    loginHint: beginning.loginHint,
  })
  attempts.add(request, attempt)
  metrics.count('login_stages_total', { stage: 'started' })
  return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(url, 302)
}

function random(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}
