import { z } from 'zod'
import {
  clientId,
  count,
  filledList,
  httpsOrigin,
  list,
  named,
  plainText,
  scope,
  secondsOrNone,
  secretSource,
  text,
} from './kinds.ts'
import { isLoopbackHost } from './addresses.ts'
import { mark } from './marks.ts'

/** The region is the first part; the host of the pool's addresses is made of it. */
export const USER_POOL_ID = /^((?:eusc-[a-z]{2}|[a-z]{2})-(?:gov-)?[a-z]+-\d)_[A-Za-z0-9]{1,55}$/

const ISSUER = /^https?:\/\/[a-z0-9.[\]:-]+(?:\/[A-Za-z0-9._~-]+)+$/

function issuerFault(value: string): string | undefined {
  if (!ISSUER.test(value) || !URL.canParse(value)) return ISSUER_EXPECTED
  const { protocol, hostname } = new URL(value)
  if (protocol === 'http:' && !isLoopbackHost(hostname))
    return 'must begin with https://: http is for this machine only'
  return undefined
}
const ISSUER_EXPECTED =
  'must be an address such as https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI, without a slash at the end'

export const pool = z.strictObject({
  userPoolId: text({
    expects: "a user pool's id such as eu-west-1_AbCdEfGhI: the region, _, letters and digits",
    pattern: USER_POOL_ID,
  }).describe("The user pool's id; the region is its first part."),
  issuer: text({ expects: "the pool's issuer", fault: issuerFault })
    .optional()
    .describe("Overrides the issuer of the pool's tokens and the base of discovery; http only on this machine."),
  domain: httpsOrigin('https://my-company.auth.REGION.amazoncognito.com')
    .optional()
    .describe("The pool's login domain. Default: what the pool's discovery says."),
  clientId: clientId().describe("The id of the gateway's own app client."),
  clientSecret: secretSource().optional().describe('Its secret; leave it out for a public app client.'),
  scopes: filledList(scope())
    .default(['openid', 'email', 'profile'])
    .describe('What sign-in asks for; openid must be among them, and each must be enabled at the app client.'),
  bearerClients: list(clientId())
    .default([])
    .describe('App clients whose access tokens are accepted as bearers; the own clientId only if listed here.'),
  trustEmailFrom: list(plainText())
    .default([])
    .describe('Identity providers whose e-mail addresses count although Cognito calls them unverified.'),
  identityProviders: list(plainText())
    .default([])
    .describe('Names of identity providers offered on the sign-in page and allowed as idp=.'),
  requestsPerSecond: count(1, 10_000)
    .default(50)
    .describe(
      "How many requests a second this gateway sends to the pool's token endpoint at most; all replicas together should stay below the pool's quota.",
    ),
  refreshTokenRotation: z
    .strictObject({
      graceSeconds: secondsOrNone(60).describe('How long a refresh token stays good after it was used.'),
    })
    .optional()
    .describe(
      'What refresh token rotation is set to at the app client, where it is on; changes nothing, but is checked.',
    ),
})

export const pools = mark(
  named(pool).check(({ value, issues }) => {
    if (Object.keys(value).length === 0)
      issues.push({ code: 'custom', message: 'must name a user pool', input: value, path: [] })
  }),
  { expects: 'a map from names to user pools' },
).describe('User pools by name; the first is the default.')
