import type { Bearers } from './bearers.ts'

/** The bearers of several user pools as one: a token is read by the pool that it claims to come from, and by no other. */
export function severalBearers(all: readonly Bearers[]): Bearers {
  const [only, ...others] = all
  if (only === undefined) throw new TypeError('there is no user pool')
  if (others.length === 0) return only
  return {
    ownTokenIn(authorization) {
      for (const bearers of all) {
        const token = bearers.ownTokenIn(authorization)
        if (token !== null) return token
      }
      return null
    },
    identityOf(token) {
      const theirs = all.find((bearers) => bearers.ownTokenIn(`Bearer ${token}`) !== null) ?? only
      return theirs.identityOf(token)
    },
  }
}
