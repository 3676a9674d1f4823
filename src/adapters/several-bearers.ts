import { GatewayError } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'
import type { BasicClients } from './basic-clients.ts'
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
      const [first = only, ...more] = all.filter((bearers) => bearers.ownTokenIn(`Bearer ${token}`) !== null)
      return more.length === 0 ? first.identityOf(token) : firstThatTakes(token, first, more)
    },
  }
}

/** Two of our pools may be app clients of one user pool: each knows its own. The refusal is that of the last. */
async function firstThatTakes(token: string, first: Bearers, more: readonly Bearers[]): Promise<Identity> {
  try {
    return await first.identityOf(token)
  } catch (error) {
    const [next, ...others] = more
    if (next === undefined || !(error instanceof GatewayError)) throw error
    return firstThatTakes(token, next, others)
  }
}

/** The same for app clients that show id and secret: the pool that lists a client is the one that is asked. */
export function severalBasicClients(
  all: readonly { readonly bearerClients: readonly string[]; readonly basicClients: BasicClients }[],
): BasicClients {
  const [only, ...others] = all
  if (only === undefined) throw new TypeError('there is no user pool')
  if (others.length === 0) return only.basicClients
  return {
    clientIn(authorization) {
      for (const { basicClients } of all) {
        const client = basicClients.clientIn(authorization)
        if (client !== null) return client
      }
      return null
    },
    identityOf(client) {
      const theirs = all.find(({ bearerClients }) => bearerClients.includes(client.clientId)) ?? only
      return theirs.basicClients.identityOf(client)
    },
  }
}
