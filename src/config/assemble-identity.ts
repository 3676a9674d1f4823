import type { IdentityRule, UserSource, ValueSource } from '../domain/identity-headers.ts'
import type { Secret } from '../domain/secret.ts'
import { levelsOf, type DraftRoute } from './draft.ts'
import { pathId } from './faults.ts'
import { USER_POOL_ID } from './schema-pool.ts'

export interface IdentitySources {
  readonly secrets: ReadonlyMap<string, Secret>
  readonly userPoolId: string
}

/** What a route tells of identities, as its levels say together. */
export function identitySettings(route: DraftRoute, { secrets, userPoolId }: IdentitySources): IdentityRule {
  const { identity } = route.keys
  const { only, rename, separator, max } = identity.groups
  const { headers } = identity
  return {
    headers: headers.flatMap((family) => (family === 'none' || family === 'basic' ? [] : [family])),
    user: identity.user === undefined ? undefined : userOf(identity.user),
    groups: { only, rename, separator, max },
    encoding: identity.encoding,
    custom: Object.fromEntries(
      Object.entries(identity.custom ?? {}).map(([name, source]) => [name, sourceOf(source)] as const),
    ),
    authorization: headers.includes('basic') ? 'basic' : identity.authorization,
    password: levelsOf(route)
      .map((level) => secrets.get(pathId([...level, 'identity', 'basic', 'password'])))
      .find((secret) => secret !== undefined),
    assertion: identity.assertion,
    albSigner: headers.includes('alb') ? (identity.alb?.signer ?? madeUpSigner(userPoolId)) : undefined,
  }
}

function sourceOf(source: string): ValueSource {
  return source === 'user' || source === 'name' || source === 'groups' ? source : userOf(source)
}

function userOf(user: string): UserSource {
  return user === 'email' || user === 'username' || user === 'sub' ? user : `claim:${user.replace(/^claim:/, '')}`
}

function madeUpSigner(userPoolId: string): string {
  const region = USER_POOL_ID.exec(userPoolId)?.[1] ?? ''
  return `arn:aws:elasticloadbalancing:${region}:000000000000:loadbalancer/app/cognito-gateway/0000000000000000`
}
