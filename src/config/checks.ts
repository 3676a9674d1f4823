import { OWN_NAMES } from '../domain/own-endpoints.ts'
import { foldPath } from '../domain/request-target.ts'
import { checkApplications } from './check-applications.ts'
import { checkIdentity } from './check-identity.ts'
import { checkListening } from './check-listeners.ts'
import { checkSignOut } from './check-sign-out.ts'
import { given, type Draft } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import type { Settings } from './settings.ts'

/** What is wrong between settings that are each right by themselves. */
export function checkTogether(draft: Draft): readonly Finding[] {
  return [
    ...checkListening(draft),
    ...checkPools(draft),
    ...checkSession(draft),
    ...checkEndpoints(draft),
    ...checkApplications(draft),
    ...checkSignOut(draft),
    ...checkIdentity(draft),
  ]
}

function checkPools(draft: Draft): readonly Finding[] {
  return Object.entries(draft.file.pools).flatMap(([name, { scopes }]) => {
    const findings: Finding[] = []
    const path = ['pools', name, 'scopes']
    if (draft.leftOut(path)) return findings
    if (!scopes.includes('openid'))
      findings.push(atValue(path, 'must contain openid: without it sign-in gets no ID token'))
    if (scopes.includes('offline_access'))
      findings.push(
        atValue(path, 'must not contain offline_access: Cognito does not know it and refuses the whole sign-in'),
      )
    return findings
  })
}

function checkSession(draft: Draft): readonly Finding[] {
  return [...checkStore(draft), ...checkSessionTimes(draft)]
}

function checkStore(draft: Draft): readonly Finding[] {
  const { store, redis } = draft.file.session
  if (store === 'cookie' || redis !== undefined || draft.leftOut(['session', 'redis'])) return []
  return [atValue(['session', 'store'], 'needs session.redis with the url of the server: { url: { env: REDIS_URL } }')]
}

function checkSessionTimes(draft: Draft): readonly Finding[] {
  const { session } = draft.file
  const [idle, age] = [
    ['session', 'idleTimeoutSeconds'],
    ['session', 'maxAgeSeconds'],
  ] as const
  if (session.idleTimeoutSeconds <= session.maxAgeSeconds || draft.leftOut(idle) || draft.leftOut(age)) return []
  return [
    atValue(
      given(draft, idle) ? idle : age,
      given(draft, idle)
        ? `must not be longer than maxAgeSeconds (${session.maxAgeSeconds}): a session never lasts longer than that`
        : `must not be shorter than idleTimeoutSeconds (${session.idleTimeoutSeconds}): set that too`,
    ),
  ]
}

/** The paths of the gateway's own, with the defaults that follow from the prefix. */
export function endpointsOf({ endpoints }: Draft['file']): Settings['endpoints'] {
  const { prefix, callback = `${prefix}/callback`, callbackOn, ping = `${prefix}/ping` } = endpoints
  return { prefix, callback, callbackOn, ping }
}

/** The callback of a pool that is not the first. */
export function callbackOf(pool: string, { endpoints }: Draft['file']): string {
  return `${endpoints.prefix}/callback/${pool}`
}

function checkEndpoints({ file }: Draft): readonly Finding[] {
  const { prefix, callback, ping } = endpointsOf(file)
  const findings: Finding[] = []
  for (const [key, path] of [
    ['callback', callback],
    ['ping', ping],
  ] as const) {
    const taken = OWN_NAMES.find((name) => foldPath(path) === foldPath(`${prefix}/${name}`))
    if (!path.startsWith(`${prefix}/`))
      findings.push(atValue(['endpoints', key], `must begin with endpoints.prefix: ${prefix}/…`))
    else if (taken !== undefined)
      findings.push(atValue(['endpoints', key], `must not be ${path}: that has another use`))
  }
  const [, ...others] = Object.keys(file.pools)
  const owner = others.find((name) =>
    [callback, ping].some((path) => foldPath(path) === foldPath(callbackOf(name, file))),
  )
  if (owner !== undefined)
    findings.push(atKey(['pools', owner], 'must have another name: its callback is a path of endpoints'))
  if (foldPath(callback) === foldPath(ping)) findings.push(atValue(['endpoints', 'ping'], 'must not be the callback'))
  return findings
}
