import type { AccessRule } from './access.ts'
import type { AccessEntry } from './conditions.ts'

/** A rule in plain words, one text for each way in; any one of them lets in. */
export function ruleWords(access: AccessRule): readonly string[] {
  switch (access) {
    case 'public':
      return ['everybody']
    case 'optional':
      return ['everybody; who is signed in is told to the application']
    case 'signedIn':
      return ['every person who is signed in']
    default:
      return access.map(entryWords)
  }
}

function entryWords(entry: AccessEntry): string {
  const { scopes, groups, claims = {}, clients, pools, identityProviders } = entry
  const { emailDomains, clientAddresses, signedInWithinSeconds } = entry
  const conditions = [
    ...named('scope', scopes, 'and'),
    ...named('group', groups),
    ...Object.entries(claims).map(([name, values]) => `claim ${name} is ${values.join(' or ')}`),
    ...named('client', clients),
    ...(pools === undefined ? [] : [`of the application's own pool or ${pools.join(' or ')}`]),
    ...named('identity provider', identityProviders),
    ...(emailDomains === undefined ? [] : [`a verified e-mail address in ${emailDomains.join(' or ')}`]),
    ...(clientAddresses === undefined ? [] : [`from ${clientAddresses.join(' or ')}`]),
    ...(signedInWithinSeconds === undefined ? [] : [`password given in the last ${signedInWithinSeconds} seconds`]),
  ]
  return conditions.length === 0 ? 'nobody' : conditions.join(' AND ')
}

function named(kind: string, values: readonly string[] | undefined, between: 'and' | 'or' = 'or'): readonly string[] {
  if (values === undefined) return []
  return [`${kind}${values.length > 1 ? 's' : ''} ${values.join(` ${between} `)}`]
}
