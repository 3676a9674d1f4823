import { z } from 'zod'
import { clientId, filledList, host, mapOf, plainText, scope, seconds } from './kinds.ts'
import { mark, notYet } from './marks.ts'

const DAY = 86_400

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
      clients: notYet(filledList(clientId()).optional().describe('Any one of these app clients.')),
      pools: notYet(
        filledList(plainText()).optional().describe("Identities of these user pools, beside the application's own."),
      ),
      identityProviders: notYet(
        filledList(plainText()).optional().describe('People who came through any one of these identity providers.'),
      ),
      emailDomains: notYet(
        filledList(host()).optional().describe('People with a verified e-mail address in any one of these domains.'),
      ),
      clientAddresses: notYet(
        filledList(plainText()).optional().describe('Requests from any one of these networks, such as 10.0.0.0/8.'),
      ),
      signedInWithinSeconds: notYet(
        seconds(30 * DAY)
          .optional()
          .describe('People who gave their password at most this long ago.'),
      ),
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
    }),
  { expects: 'a map of conditions such as { groups: [ops] }' },
)

export const accessRule = mark(z.union([z.enum(['public', 'optional', 'signedIn']), filledList(accessEntry)]), {
  expects: 'public, optional, signedIn, or a list of conditions such as [{ groups: [ops] }]',
})
