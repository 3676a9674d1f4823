import { z } from 'zod'
import { count, filledList, headerName, list, mapOf, plainText, secretSource, text } from './kinds.ts'

/** How an application is told who is there. */
export const identity = z.strictObject({
  headers: filledList(z.enum(['forwarded', 'none', 'authRequest', 'remote', 'alb', 'basic', 'custom']))
    .check(({ value, issues }) => {
      if (value.length > 1 && value.includes('none'))
        issues.push({ code: 'custom', message: 'must not have anything beside none', input: value, path: [] })
    })
    .default(['forwarded'])
    .describe('The families of headers that tell the application who is there, several at once or [none].'),
  user: text({ expects: 'sub, email, username or claim:NAME', pattern: /^(?:sub|email|username|claim:.+)$/ })
    .optional()
    .describe(
      'What stands for the person: sub, email, username (preferred_username, else cognito:username) or claim:NAME. Default: username for remote and basic, sub for all others.',
    ),
  groups: z
    .strictObject({
      only: list(plainText())
        .optional()
        .describe('Only these groups are told. Default: all, but never those of identity providers.'),
      rename: mapOf(plainText()).default({}).describe('Other names for groups, for this application.'),
      separator: z
        .string()
        .check(({ value, issues }) => {
          if (!/^[\x20-\x7e]{1,3}$/.test(value) || value.includes('%'))
            issues.push({
              code: 'custom',
              message: 'must be one to three printable ASCII characters, none of them %',
              input: value,
              path: [],
            })
        })
        .default(',')
        .describe('What stands between two groups.'),
      max: count(1, 1_000).optional().describe('How many groups are told at most. Default: all.'),
    })
    .prefault({})
    .describe('Which groups are told, and how.'),
  encoding: z
    .enum(['percent', 'utf8', 'latin1', 'base64'])
    .default('percent')
    .describe('How values that are not plain ASCII are written.'),
  authorization: z
    .enum(['none', 'accessToken', 'idToken', 'basic'])
    .default('none')
    .describe(
      "What the application gets as Authorization: one of the person's tokens, or as with headers: [basic]. The client's own is then removed on all routes of that upstream.",
    ),
  assertion: z
    .boolean()
    .default(false)
    .describe('Adds a signed assertion, X-Gateway-Jwt-Assertion; needs assertion.keys.'),
  custom: z
    .record(headerName(), valueSource())
    .optional()
    .describe(
      'For headers: [custom], names and what each holds: user, sub, email, username, name, groups or claim:NAME.',
    ),
  basic: z
    .strictObject({
      password: secretSource().optional().describe('The password that stands in for that of every person.'),
    })
    .optional()
    .describe('For headers: [basic], what is sent with the user.'),
  alb: z
    .strictObject({
      signer: text({
        expects:
          "a load balancer's ARN such as arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/0123456789abcdef",
        pattern: /^arn:(?:aws|aws-cn|aws-us-gov):elasticloadbalancing:[a-z]{2}-(?:gov-)?[a-z]+-\d:[\w:/-]{1,256}$/,
      })
        .optional()
        .describe(
          'The ARN of the load balancer that the application expects as signer of X-Amzn-Oidc-Data. Default: a made-up one in the region of the pool.',
        ),
    })
    .optional()
    .describe('For headers: [alb], whose place the gateway takes.'),
})

function valueSource() {
  return text({
    expects: 'user, sub, email, username, name, groups or claim:NAME',
    pattern: /^(?:user|sub|email|username|name|groups|claim:.+)$/,
  })
}
