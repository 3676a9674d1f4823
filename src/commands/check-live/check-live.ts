import { createCognitoClient } from '../../adapters/cognito-client.ts'
import { createPoolFetch } from '../../adapters/pool-fetch.ts'
import type { PoolSettings, Settings } from '../../config/settings.ts'
import { GatewayError } from '../../domain/errors.ts'
import { callbackOrigins, sitesIn } from '../../domain/site.ts'
import { createAsk } from './ask.ts'
import { askRevocation, askRotation, askSecret } from './client.ts'
import type { Conversation } from './conversation.ts'
import { askDiscovery, askKeys } from './discovery.ts'
import { about, type Finding } from './finding.ts'
import { askBearerClients, askProviders, askSignUp } from './others.ts'
import { askSignIn } from './sign-in.ts'
import { askSignOut } from './sign-out.ts'

/** What was found out about one user pool. */
export interface PoolReport {
  readonly pool: string
  readonly userPoolId: string
  readonly clientId: string
  readonly findings: readonly Finding[]
}

export interface CheckLiveOptions {
  readonly settings: Settings
  /** Told what is asked next. */
  readonly onProgress: (text: string) => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Asks every user pool of the settings what can be known without a person, one question after the other. Never rejects for a fault of theirs. */
export async function checkLive({ settings, onProgress, now }: CheckLiveOptions): Promise<readonly PoolReport[]> {
  const reports: PoolReport[] = []
  for (const pool of settings.pools) {
    const findings: Finding[] = []
    const progress = (subject: string): void => onProgress(`asking ${pool.name}: ${subject} …`)
    for await (const some of questions(conversationWith(pool, settings, now), progress)) findings.push(...some)
    reports.push({ pool: pool.name, userPoolId: pool.userPoolId, clientId: pool.clientId, findings })
  }
  return reports
}

const MAX_ANSWER_BYTES = 65_536

function conversationWith(pool: PoolSettings, settings: Settings, now: () => number): Conversation {
  return {
    pool,
    routes: settings.applications.flatMap(({ routes }) => routes).filter((route) => route.pool === pool.name),
    ...addressesOf(pool, settings),
    ask: createAsk(createPoolFetch(() => undefined, { bytes: MAX_ANSWER_BYTES, beyond: 'is cut' })),
    cognito: createCognitoClient({
      issuer: pool.issuer,
      domain: pool.domain,
      clientId: pool.clientId,
      clientSecret: () => pool.clientSecret,
      scopes: pool.scopes,
      onRequest: () => undefined,
      // One question after the other needs nobody to hold it back.
      gate: { through: (fetch) => fetch },
      now,
    }),
    now,
  }
}

/** Where Cognito sends people back to. */
function addressesOf(
  { name, callback }: PoolSettings,
  settings: Settings,
): Pick<Conversation, 'callbacks' | 'signOuts'> {
  const origins = callbackOrigins(sitesIn(settings), name)
  return {
    callbacks: origins.map((origin) => origin + callback),
    signOuts: origins.map((origin) => `${origin}${settings.endpoints.prefix}/signed_out`),
  }
}

type Progress = (subject: string) => void

async function* questions(conversation: Conversation, progress: Progress): AsyncGenerator<readonly Finding[]> {
  progress('discovery')
  const discovery = await askDiscovery(conversation)
  yield discovery
  progress('keys')
  yield await askKeys(conversation)
  try {
    yield* questionsToDomain(conversation, progress)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const told = discovery.some(({ question, verdict }) => question === 'discovery' && verdict === 'wrong')
    const found = error.detail ?? 'the login domain cannot be found out'
    if (!told) yield [about('login domain').wrong(found, "write the pool's domain into the settings")]
    yield [about('everything else').unknown('not asked, because the login domain is not known')]
  }
}

async function* questionsToDomain(conversation: Conversation, progress: Progress): AsyncGenerator<readonly Finding[]> {
  progress('sign-in')
  const { findings, reached, base } = await askSignIn(conversation)
  yield findings
  if (!reached) return
  progress('sign-out')
  yield await askSignOut(conversation)
  progress('secret, revocation')
  yield [await askSecret(conversation), await askRevocation(conversation), askRotation(conversation)]
  progress('machines')
  yield await askBearerClients(conversation)
  if (base === undefined) return
  progress('identity providers, sign-up')
  yield await askProviders(conversation, base)
  yield [await askSignUp(conversation, base)]
}
