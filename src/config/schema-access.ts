import { z } from 'zod'
import { clientId, emailDomain, filledList, mapOf, network, plainText, scope, seconds } from './kinds.ts'
import { isObject, mark } from './marks.ts'

const DAY = 86_400

/** Places of names that somebody meant for any name; as one they would let nobody in. */
function wildcardsIn(value: unknown): (string | number)[][] {
  if (value === '*') return [[]]
  if (Array.isArray(value)) return value.flatMap((one, at) => wildcardsIn(one).map((path) => [at, ...path]))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, one]) => wildcardsIn(one).map((path) => [name, ...path]))
}

/** One way in: every condition of it must hold. */
const accessEntry = mark(
  z
    .strictObject({
      scopes: filledList(scope()).optional().describe('Every one of these scopes must be in the access token.'),
      groups: filledList(plainText())
        .optional()
        .describe('A person in any one of these groups; the automatic groups of identity providers never count.'),
      claims: mapOf(filledList(plainText()))
        .optional()
        .describe(
          'Each named claim must have one of the values; a claim that is a list matches by member, a text is never split.',
        ),
      clients: filledList(clientId())
        .optional()
        .describe(
          'The access token is for any one of these app clients. Machines pass only by an entry with scopes or clients.',
        ),
      pools: filledList(plainText())
        .optional()
        .describe("Identities of these user pools, beside the application's own."),
      identityProviders: filledList(plainText())
        .optional()
        .describe(
          'People with an identity of any one of these providers in their ID token; COGNITO for those who have none.',
        ),
      emailDomains: filledList(emailDomain())
        .optional()
        .describe(
          'People with a verified e-mail address in any one of these domains; example.com is not wiki.example.com.',
        ),
      clientAddresses: filledList(network())
        .optional()
        .describe('Requests from any one of these networks, such as 10.0.0.0/8.'),
      signedInWithinSeconds: seconds(30 * DAY, 60)
        .optional()
        .describe('People who gave their password at most this long ago; all others are asked for it again.'),
    })
    .check(({ value, issues }) => {
      if (Object.keys(value).length === 0)
        issues.push({
          code: 'custom',
          message: 'must have a condition: without one it would let everybody in',
          input: value,
          path: [],
        })
      if (value.claims !== undefined && Object.keys(value.claims).length === 0)
        issues.push({ code: 'custom', message: 'must name a claim', input: value.claims, path: ['claims'] })
      for (const path of wildcardsIn(value))
        issues.push({
          code: 'custom',
          message: 'must be a name: there are no wildcards here; for everybody who is signed in write access: signedIn',
          input: '*',
          path,
        })
    }),
  { expects: 'a map of conditions such as { groups: [ops] }' },
)

export const accessRule = mark(z.union([z.enum(['public', 'optional', 'signedIn']), filledList(accessEntry)]), {
  expects: 'public, optional, signedIn, or a list of conditions such as [{ groups: [ops] }]',
})
