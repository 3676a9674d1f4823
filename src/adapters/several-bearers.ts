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
      const theirs = all.find((bearers) => bearers.ownTokenIn(`Bearer ${token}`) !== null) ?? only
      return theirs.identityOf(token)
    },
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
