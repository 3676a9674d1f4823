import { z } from 'zod'
import { count, filledList, headerName, list, mapOf, plainText, secretSource, text } from './kinds.ts'
import { notYet } from './marks.ts'

/** How an application is told who is there. */
export const identity = z.strictObject({
  headers: filledList(
    notYet(z.enum(['forwarded', 'none', 'authRequest', 'remote', 'alb', 'basic', 'custom']), {
      built: (value) => value === 'forwarded' || value === 'none',
    }),
  )
    .check(({ value, issues }) => {
      if (value.length > 1 && value.includes('none'))
        issues.push({ code: 'custom', message: 'must not have anything beside none', input: value, path: [] })
    })
    .default(['forwarded'])
    .describe('The families of headers that tell the application who is there, several at once or [none].'),
  user: text({ expects: 'sub, email, username or claim:NAME', pattern: /^(?:sub|email|username|claim:.+)$/ })
    .default('sub')
    .describe(
      'What stands for the person: sub, email, username (preferred_username, else cognito:username) or claim:NAME.',
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
  authorization: notYet(
    z
      .enum(['none', 'accessToken', 'idToken', 'basic'])
      .default('none')
      .describe('What the application gets as Authorization.'),
  ),
  assertion: notYet(z.boolean().default(false).describe('Adds a signed assertion, X-Gateway-Jwt-Assertion.')),
  custom: notYet(
    z
      .record(headerName(), plainText())
      .optional()
      .describe('Headers by name, each with user, email, groups or claim:NAME.'),
  ),
  basic: notYet(
    z
      .strictObject({
        password: secretSource().optional().describe('The password that stands in for every person.'),
      })
      .optional()
      .describe('For headers: [basic], what is sent with the user.'),
  ),
})
