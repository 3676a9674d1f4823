import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { GatewayError } from '../domain/errors.ts'
import type { ClaimValue } from '../domain/identity.ts'
import type { Session } from '../domain/session.ts'
import type { Seal } from './seal.ts'
import type { StoredSession } from './session-store.ts'

/** Longest record, before it is compressed, that is read again. */
const MAX_RECORD_BYTES = 65_536

/** A session as text that nobody else can read or make. Throws GW_SESSION_TOO_LARGE where `unsealSession` would not take it. */
export function sealSession(session: Session, seal: Seal): string {
  const plain = Buffer.from(JSON.stringify(recordOf(session)))
  if (plain.length > MAX_RECORD_BYTES)
    throw tooLarge(`the session has ${plain.length} bytes and ${MAX_RECORD_BYTES} are possible`)
  return seal.seal(deflateRawSync(plain, { level: 6 }))
}

export function tooLarge(finding: string): GatewayError {
  return new GatewayError('GW_SESSION_TOO_LARGE', {
    detail: `${finding}; emit or name fewer groups and claims, pass on no tokens, or use store: redis`,
    reason: 'cookie_too_large',
  })
}

/** Null for anything that `sealSession` did not make with one of these keys. */
export function unsealSession(text: string, seal: Seal): StoredSession | null {
  const opened = seal.open(text)
  if (opened === null) return null
  try {
    const record: unknown = JSON.parse(
      inflateRawSync(opened.plain, { maxOutputLength: MAX_RECORD_BYTES }).toString('utf8'),
    )
    return isRecord(record) ? { session: sessionOf(record), oldKey: opened.oldKey } : null
  } catch {
    return null
  }
}

/** A session as it is written: short names, lists for sets. The seal vouches for its shape; the version for its meaning. */
interface SessionRecord {
  readonly v: 1
  readonly id: string
  readonly pool: string
  readonly sub: string
  readonly user: string
  readonly preferred?: string
  readonly email?: string
  readonly groups: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: Readonly<Record<string, ClaimValue>>
  readonly attributes?: Readonly<Record<string, string>>
  readonly auth: number
  readonly started: number
  readonly seen: number
  readonly claimed: number
  readonly expires: number
  readonly refresh?: string
  readonly origin?: string
  readonly lent?: number
  /** In a form that compresses. */
  readonly access?: string
  readonly idToken?: string
}

function recordOf({ person, ...session }: Session): SessionRecord {
  return {
    v: 1,
    id: session.id,
    pool: person.pool,
    sub: person.subject,
    user: person.username,
    ...(person.preferredUsername === undefined ? {} : { preferred: person.preferredUsername }),
    ...(person.email === undefined ? {} : { email: person.email }),
    groups: [...person.groups],
    scopes: [...person.scopes],
    claims: person.claims,
    ...(person.attributes === undefined ? {} : { attributes: person.attributes }),
    auth: person.authTime,
    started: session.startedAt,
    seen: session.seenAt,
    claimed: session.claimsAt,
    expires: session.accessExpiresAt,
    ...(session.refreshToken === undefined ? {} : { refresh: session.refreshToken }),
    ...(session.originJti === undefined ? {} : { origin: session.originJti }),
    ...(session.lentAt === undefined ? {} : { lent: session.lentAt }),
    ...(session.accessToken === undefined ? {} : { access: unpackToken(session.accessToken) }),
    ...(session.idToken === undefined ? {} : { idToken: unpackToken(session.idToken) }),
  }
}

/** A token with its two texts readable, so that what it repeats of the record costs next to nothing once that is compressed. */
function unpackToken(token: string): string {
  const [header = '', claims = '', ...rest] = token.split('.')
  const texts = [header, claims].map((part) => Buffer.from(part, 'base64url').toString('utf8'))
  const unpacked = [...texts, ...rest].join('\n')
  return packToken(unpacked) === token ? unpacked : token
}

function packToken(unpacked: string): string {
  const [header = '', claims = '', ...rest] = unpacked.split('\n')
  if (claims === '') return unpacked
  return [...[header, claims].map((text) => Buffer.from(text, 'utf8').toString('base64url')), ...rest].join('.')
}

function isRecord(value: unknown): value is SessionRecord {
  return typeof value === 'object' && value !== null && 'v' in value && value.v === 1
}

function sessionOf(record: SessionRecord): Session {
  return {
    id: record.id,
    person: {
      kind: 'person',
      pool: record.pool,
      subject: record.sub,
      username: record.user,
      preferredUsername: record.preferred,
      email: record.email,
      groups: new Set(record.groups),
      scopes: new Set(record.scopes),
      claims: record.claims,
      ...(record.attributes === undefined ? {} : { attributes: record.attributes }),
      authTime: record.auth,
    },
    startedAt: record.started,
    seenAt: record.seen,
    claimsAt: record.claimed,
    accessExpiresAt: record.expires,
    refreshToken: record.refresh,
    ...(record.origin === undefined ? {} : { originJti: record.origin }),
    ...(record.lent === undefined ? {} : { lentAt: record.lent }),
    ...(record.access === undefined ? {} : { accessToken: packToken(record.access) }),
    ...(record.idToken === undefined ? {} : { idToken: packToken(record.idToken) }),
  }
}
