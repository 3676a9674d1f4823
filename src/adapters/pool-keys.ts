import { FetchError, KidNotFoundInJwksError, WaitPeriodNotYetEndedJwkError } from 'aws-jwt-verify/error'
import type { Fetcher } from 'aws-jwt-verify/https'
import { SimpleJwksCache, type PenaltyBox } from 'aws-jwt-verify/jwk'
import { soundKeysIn } from './jwks.ts'

/** The public keys of one user pool: one set, whichever of its issuers a token names. */
export interface PoolKeys {
  readonly cache: SimpleJwksCache
  /** What the cache knows them by. */
  readonly uri: string
  /** Since they were fetched last; null before the first time. */
  readonly ageSeconds: number | null
}

export interface PoolKeysOptions {
  readonly issuers: readonly string[]
  /** Milliseconds that only go forward. */
  readonly ticks: () => number
  /** Gets a JWKS document; must throw when it cannot. */
  readonly fetchJwks: (uri: string) => Promise<ArrayBuffer>
}

const FETCH_PAUSE_MS = 10_000
/** Before the first time there is nothing to lose by asking again soon. */
const FIRST_PAUSE_MS = 2_000
const MAX_KIDS = 1_000
const MAX_KID_LENGTH = 128

/**
 * However many unknown key ids come, keys are fetched once in ten seconds, and who comes while that is under way shares it. So a flood of
 * forged ids neither hammers the pool nor hides a key that was rotated in meanwhile. What cannot be fetched or used leaves the keys as they
 * are.
 */
export function createPoolKeys({ issuers, ticks, fetchJwks }: PoolKeysOptions): PoolKeys {
  const [uri = '', ...others] = issuers.map((issuer) => `${issuer}/.well-known/jwks.json`)
  let fetchedAt: number | null = null
  let nextFetchAt = Number.NEGATIVE_INFINITY
  let underWay = false

  const fetcher: Fetcher = {
    async fetch() {
      underWay = true
      nextFetchAt = ticks() + FETCH_PAUSE_MS
      try {
        const keys = await firstOf([uri, ...others], async (one) => soundKeysIn(await fetchJwks(one)))
        fetchedAt = ticks()
        return keys
      } catch (error) {
        if (fetchedAt === null) nextFetchAt = ticks() + FIRST_PAUSE_MS
        throw error instanceof FetchError
          ? error
          : new FetchError(uri, error instanceof Error ? error.name : 'no answer')
      } finally {
        underWay = false
      }
    },
  }
  const penaltyBox = createPenaltyBox(ticks, {
    isFetching: () => underWay,
    mayFetch: () => ticks() >= nextFetchAt,
  })

  return {
    cache: new SimpleJwksCache({ fetcher, penaltyBox }),
    uri,
    get ageSeconds() {
      return fetchedAt === null ? null : (ticks() - fetchedAt) / 1000
    },
  }
}

interface Fetching {
  readonly isFetching: () => boolean
  readonly mayFetch: () => boolean
}

/** Asked for every key id that is not known. An id that was just looked for in vain is refused; for others it cannot be said yet. */
function createPenaltyBox(ticks: () => number, { isFetching, mayFetch }: Fetching): PenaltyBox {
  const lookedForUntil = new Map<string, number>()
  return {
    async wait(_uri, kid) {
      if (kid.length > MAX_KID_LENGTH) throw new KidNotFoundInJwksError('the key id is longer than any')
      if ((lookedForUntil.get(kid) ?? Number.NEGATIVE_INFINITY) > ticks())
        throw new KidNotFoundInJwksError('the key id was not found a moment ago')
      if (!isFetching() && !mayFetch()) throw new WaitPeriodNotYetEndedJwkError('the keys were fetched a moment ago')
    },
    registerFailedAttempt(_uri, kid) {
      if (lookedForUntil.size >= MAX_KIDS) lookedForUntil.delete(lookedForUntil.keys().next().value ?? '')
      lookedForUntil.set(kid, ticks() + FETCH_PAUSE_MS)
    },
    registerSuccessfulAttempt(_uri, kid) {
      lookedForUntil.delete(kid)
    },
  }
}

/** A pool has its keys under both forms of its issuer, or under one of them only. */
async function firstOf<T>(uris: readonly string[], get: (uri: string) => Promise<T>): Promise<T> {
  let failure: unknown
  for (const uri of uris) {
    try {
      return await get(uri)
    } catch (error) {
      failure ??= error
    }
  }
  throw failure
}
