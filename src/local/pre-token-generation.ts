/** Which generation of the trigger a pool has: V1 changes ID tokens and groups, V2 access tokens too, V3 machines' as well. */
export type TriggerVersion = 'V1_0' | 'V2_0' | 'V3_0'

export type TriggerSource =
  'TokenGeneration_HostedAuth' | 'TokenGeneration_RefreshTokens' | 'TokenGeneration_ClientCredentials'

export interface ClaimChanges {
  readonly claimsToAddOrOverride?: Readonly<Record<string, unknown>>
  readonly claimsToSuppress?: readonly string[]
}

export interface AccessChanges extends ClaimChanges {
  readonly scopesToAdd?: readonly string[]
  readonly scopesToSuppress?: readonly string[]
}

interface GroupChanges {
  readonly groupOverrideDetails?: { readonly groupsToOverride?: readonly string[] } | null
}

export interface PreTokenGenerationResponse {
  /** Of V1. */
  readonly claimsOverrideDetails?: (ClaimChanges & GroupChanges) | null
  /** Of V2 and V3. */
  readonly claimsAndScopeOverrideDetails?:
    | (GroupChanges & { readonly idTokenGeneration?: ClaimChanges; readonly accessTokenGeneration?: AccessChanges })
    | null
}

/** The event as a Lambda function receives it. */
export interface PreTokenGenerationEvent {
  readonly version: '1' | '2' | '3'
  readonly triggerSource: TriggerSource
  readonly region: string
  readonly userPoolId: string
  readonly userName?: string
  readonly callerContext: { readonly awsSdkVersion: string; readonly clientId: string }
  readonly request: {
    readonly userAttributes: Readonly<Record<string, string>>
    readonly groupConfiguration: { readonly groupsToOverride: readonly string[] }
    readonly scopes?: readonly string[]
  }
  response: PreTokenGenerationResponse
}

/** A trigger function as it would be deployed: it changes the event's response and returns the event. */
export interface PreTokenGeneration {
  readonly version: TriggerVersion
  readonly handler: (
    event: PreTokenGenerationEvent,
  ) => { readonly response: PreTokenGenerationResponse } | Promise<{ readonly response: PreTokenGenerationResponse }>
}

/** What a trigger decided, whichever its version. */
export interface Overrides {
  readonly id: ClaimChanges
  readonly access: AccessChanges
  readonly groups: readonly string[] | undefined
}

export const NO_OVERRIDES: Overrides = { id: {}, access: {}, groups: undefined }

const words = (text: string): readonly string[] => text.split(' ')
const UNTOUCHABLE = words(
  'acr amr at_hash auth_time azp cognito:username exp iat identities iss jti nbf nonce origin_jti sub token_use',
)
const UNTOUCHABLE_IN_ID = new Set([...UNTOUCHABLE, 'aud'])
const UNTOUCHABLE_IN_ACCESS = new Set([
  ...UNTOUCHABLE,
  ...words('client_id device_key event_id scope username version'),
])

/** The trigger failed, or answered in a form that its version does not have. */
export class TriggerError extends Error {}

/** Runs the trigger. Throws a TriggerError. */
export async function askTrigger(
  trigger: PreTokenGeneration,
  event: Omit<PreTokenGenerationEvent, 'version' | 'response'>,
): Promise<Overrides> {
  const version = VERSION_NUMBER[trigger.version]
  try {
    const { response } = await trigger.handler({ version, ...event, response: {} })
    return version === '1' ? fromFirst(response) : fromLater(response)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new TriggerError(`PreTokenGeneration failed with error ${why}.`, { cause: error })
  }
}

const VERSION_NUMBER = { V1_0: '1', V2_0: '2', V3_0: '3' } as const

function fromFirst({ claimsOverrideDetails: details }: PreTokenGenerationResponse): Overrides {
  const wrong = Object.entries(details?.claimsToAddOrOverride ?? {}).find(([, value]) => typeof value !== 'string')
  if (wrong !== undefined) throw new Error(`A V1_0 trigger can set strings only, and ${wrong[0]} is none`)
  return { id: details ?? {}, access: {}, groups: details?.groupOverrideDetails?.groupsToOverride }
}

function fromLater({ claimsAndScopeOverrideDetails: details }: PreTokenGenerationResponse): Overrides {
  return {
    id: details?.idTokenGeneration ?? {},
    access: details?.accessTokenGeneration ?? {},
    groups: details?.groupOverrideDetails?.groupsToOverride,
  }
}

type Claims = Readonly<Record<string, unknown>>

/** ID token claims with the trigger's changes, save for those that no trigger can touch. */
export const changeIdClaims = (claims: Claims, changes: ClaimChanges): Claims =>
  applyChanges(claims, changes, (name) => !UNTOUCHABLE_IN_ID.has(name))

/** Access token claims with the trigger's changes; an audience can only be the app client itself. */
export const changeAccessClaims = (claims: Claims, changes: ClaimChanges): Claims =>
  applyChanges(claims, changes, (name, value) =>
    name === 'aud' ? value === claims['client_id'] : !UNTOUCHABLE_IN_ACCESS.has(name),
  )

export function changeScopes(scopes: readonly string[], changes: AccessChanges): readonly string[] {
  const kept = scopes.filter((scope) => changes.scopesToSuppress?.includes(scope) !== true)
  return [...new Set([...kept, ...(changes.scopesToAdd ?? [])])]
}

function applyChanges(
  claims: Claims,
  changes: ClaimChanges,
  isFree: (name: string, value?: unknown) => boolean,
): Claims {
  const suppressed = (changes.claimsToSuppress ?? []).filter((name) => isFree(name))
  const kept = Object.entries(claims).filter(([name]) => !suppressed.includes(name))
  const added = Object.entries(changes.claimsToAddOrOverride ?? {}).filter(([name, value]) => isFree(name, value))
  return Object.fromEntries([...kept, ...added])
}
