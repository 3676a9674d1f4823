import { randomInt, randomUUID, createHash, timingSafeEqual } from 'node:crypto'
import { OWN_DIRECTORY, type IdentityProvider, type PoolSettings } from './pool-settings.ts'

/** A link to an external identity provider, as it stands in the claim `identities`: two of its values are strings by custom. */
export interface LinkedIdentity {
  readonly userId: string
  readonly providerName: string
  readonly providerType: string
  readonly issuer: string | null
  readonly primary: 'true'
  readonly dateCreated: string
}

export interface User {
  readonly username: string
  readonly sub: string
  readonly password: string | undefined
  readonly groups: readonly string[]
  readonly attributes: Readonly<Record<string, string>>
  readonly enabled: boolean
  readonly confirmed: boolean
  /** The identity provider that vouches for this person, or the pool's own directory. */
  readonly provider: string
  readonly identities: readonly LinkedIdentity[]
  /** What a real pool would have sent by e-mail: for the confirmation of a sign-up or for a new password. */
  readonly mailedCode: string | undefined
}

/** Attributes are merged, and null removes one; everything else replaces what was there. */
export interface UserChanges {
  readonly password?: string
  readonly sub?: string
  readonly groups?: readonly string[]
  readonly attributes?: Readonly<Record<string, string | null>>
  readonly enabled?: boolean
}

export interface SignUpForm {
  readonly username: string
  readonly email: string
  readonly password: string
}

/** What an external provider says of a person. */
export interface Profile {
  readonly subject: string
  readonly email: string
  readonly name: string
  readonly emailVerified: boolean
}

/** The people of a pool. Every change takes effect at the next sign-in, refresh or userInfo call, as in Cognito. */
export class UserDirectory {
  readonly #userPoolId: string
  readonly #users = new Map<string, User>()

  constructor({ userPoolId, users }: Pick<PoolSettings, 'userPoolId' | 'users'>) {
    this.#userPoolId = userPoolId
    for (const [username, given] of Object.entries(users)) {
      const { sub = randomUUID(), password, ...rest } = given
      this.#users.set(username, { ...blank(username), ...rest, sub, password })
    }
  }

  names(): readonly string[] {
    return [...this.#users.keys()]
  }

  find(username: string): User | undefined {
    return this.#users.get(username)
  }

  /** Whoever has this name and password, even unconfirmed; undefined also for somebody disabled, as Cognito says no more. */
  authenticate(username: string, password: string): User | undefined {
    const user = this.#users.get(username)
    if (user?.password === undefined || !user.enabled) return undefined
    return isEqual(user.password, password) ? user : undefined
  }

  /** Changes a person, or adds one. */
  change(username: string, { attributes = {}, ...rest }: UserChanges): User {
    const user = this.#users.get(username) ?? blank(username)
    const merged = Object.entries({ ...user.attributes, ...attributes })
    const kept = merged.filter((entry): entry is [string, string] => entry[1] !== null)
    return this.#put({ ...user, ...rest, attributes: Object.fromEntries(kept) })
  }

  /** Adds somebody who still has to confirm, or undefined when the name is taken. */
  signUp({ username, email, password }: SignUpForm): User | undefined {
    if (this.#users.has(username)) return undefined
    const attributes = { email, email_verified: 'false' }
    return this.#put({ ...blank(username), password, attributes, confirmed: false, mailedCode: newCode() })
  }

  /** The confirmed person, when the code is the one that was sent. */
  confirm(username: string, code: string): User | undefined {
    const user = this.#withCode(username, code)
    if (user === undefined || user.confirmed) return undefined
    const attributes = { ...user.attributes, email_verified: 'true' }
    return this.#put({ ...user, attributes, confirmed: true, mailedCode: undefined })
  }

  /** Sends a code for a new password to whoever can have one. */
  forgetPassword(username: string): User | undefined {
    const user = this.#users.get(username)
    if (user?.password === undefined || !user.enabled || !user.confirmed) return undefined
    return this.#put({ ...user, mailedCode: newCode() })
  }

  resetPassword(username: string, code: string, password: string): User | undefined {
    const user = this.#withCode(username, code)
    if (user === undefined || !user.confirmed) return undefined
    return this.#put({ ...user, password, mailedCode: undefined })
  }

  /** The pool's own record of somebody whom an external provider vouches for, made at the first sign-in and updated at each. */
  federate(provider: IdentityProvider, profile: Profile, nowMs: number): User {
    const username = `${provider.name}_${profile.subject}`
    const user = this.#users.get(username) ?? this.#linked(username, provider, { profile, nowMs })
    const verified = provider.mapsEmailVerified && profile.emailVerified
    const attributes = {
      ...user.attributes,
      ...(profile.email === '' ? {} : { email: profile.email, email_verified: String(verified) }),
      ...(profile.name === '' ? {} : { name: profile.name }),
    }
    return this.#put({ ...user, attributes })
  }

  #linked(username: string, provider: IdentityProvider, at: { profile: Profile; nowMs: number }): User {
    const identity: LinkedIdentity = {
      userId: at.profile.subject,
      providerName: provider.name,
      providerType: provider.type,
      issuer: provider.issuer ?? null,
      primary: 'true',
      dateCreated: String(at.nowMs),
    }
    const groups = [`${this.#userPoolId}_${provider.name}`]
    return { ...blank(username), provider: provider.name, identities: [identity], groups }
  }

  #withCode(username: string, code: string): User | undefined {
    const user = this.#users.get(username)
    return user?.mailedCode !== undefined && isEqual(user.mailedCode, code.trim()) ? user : undefined
  }

  #put(user: User): User {
    this.#users.set(user.username, user)
    return user
  }
}

/** Why the default policy of a pool refuses a password, or undefined. */
export function passwordFault(password: string): string | undefined {
  const wants: readonly (readonly [RegExp, string])[] = [
    [/^.{8,}$/s, 'Password not long enough'],
    [/[a-z]/, 'Password must have lowercase characters'],
    [/[A-Z]/, 'Password must have uppercase characters'],
    [/\d/, 'Password must have numeric characters'],
    [/[^A-Za-z0-9]/, 'Password must have symbol characters'],
  ]
  const missing = wants.find(([pattern]) => !pattern.test(password))
  return missing === undefined ? undefined : `Password did not conform with policy: ${missing[1]}`
}

const blank = (username: string): User => ({
  username,
  sub: randomUUID(),
  password: undefined,
  groups: [],
  attributes: {},
  enabled: true,
  confirmed: true,
  provider: OWN_DIRECTORY,
  identities: [],
  mailedCode: undefined,
})

const newCode = (): string => String(randomInt(1_000_000)).padStart(6, '0')

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const isEqual = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))
