import { z } from 'zod'
import { isOwnCookie } from '../domain/cookie-header.ts'
import { PATH_WORDS } from '../domain/path-readings.ts'
import { filledList, host, list, named, plainText, routePath, text } from './kinds.ts'
import { mark } from './marks.ts'
import { pathPatternFault } from './addresses.ts'
import { accessRule } from './schema-access.ts'
import { routeKeys } from './schema-route.ts'

/** What holds for an application as a whole, and may stand in `defaults`, but not at a route. */
const applicationKeys = {
  paths: z
    .enum(['strict', 'opaque'])
    .default('strict')
    .describe('strict refuses every path that two parsers could read differently; opaque only what is never a path.'),
  allowInPath: list(z.enum(PATH_WORDS))
    .default([])
    .describe('What strict paths let through for this application, where every reading leads to the same route.'),
  publicFiles: list(filePath())
    .default([])
    .describe('Paths that browsers ask for without cookies, such as /favicon.ico: whoever wants to may read them.'),
  identityProvider: plainText()
    .optional()
    .describe(
      "The identity provider at which people who come to this application sign in, without being asked to choose; one of its pool's identityProviders. It proves nothing about who is signed in already.",
    ),
  branding: z
    .strictObject({
      name: text({ expects: 'a name of 60 characters at most', pattern: /^.{1,60}$/u })
        .optional()
        .describe('What it is called on pages of ours that are about it.'),
      logo: text({ expects: 'a path such as /logo.svg, or an https address', fault: logoFault })
        .optional()
        .describe(
          'Its picture there: a path on its own host, which has to be public, or an https address, which learns who looks.',
        ),
      colour: text({ expects: 'a colour such as #1d5fd1', pattern: /^#(?:[\da-f]{3}|[\da-f]{6})$/i })
        .optional()
        .describe(
          'Of what there is to click there; what stands on it is black or white, whichever can be read better.',
        ),
    })
    .prefault({})
    .describe('What pages of ours that are about the application look like: signing in and out, and refusals.'),
  bindCookies: list(cookieName())
    .default([])
    .describe("The application's own session cookies: withheld from any session but the one that they were set under."),
  signOut: z
    .strictObject({
      paths: list(applicationPath())
        .default([])
        .describe("Paths of the application's own sign-out: what is asked for there ends our session too."),
    })
    .prefault({})
    .describe('Ways to sign out at the application.'),
} as const

function logoFault(value: string): string | undefined {
  if (value.startsWith('/'))
    return /[*]|\/:/.test(value) ? 'must be one file such as /logo.svg' : pathPatternFault(value)
  if (!URL.canParse(value) || !/^https:\/\/[^\s"'<>`\\]+$/.test(value)) return 'must be a path or begin with https://'
  const { username, password } = new URL(value)
  return username === '' && password === '' ? undefined : 'must not contain a user name or password'
}

function cookieName() {
  return text({
    expects: "a cookie's name such as JSESSIONID",
    pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/,
    fault: (value) =>
      isOwnCookie(value) ? "must not be a cookie of the gateway's own: no application ever sees one" : undefined,
  })
}

function filePath() {
  return text({
    expects: 'a path such as /favicon.ico',
    fault: (value) =>
      /[*]|\/:/.test(value) || value === '/'
        ? 'must be one file such as /favicon.ico; give folders a route with access: public'
        : pathPatternFault(value),
  })
}

const methods = () => filledList(text({ expects: 'a method in capitals, such as GET', fault: methodFault }))

// Not node:http's METHODS: that list is another one in every version of Node.
const METHODS = new Set(
  [
    'GET HEAD POST PUT PATCH DELETE OPTIONS QUERY',
    'PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH BIND REBIND UNBIND ACL',
    'REPORT MKACTIVITY CHECKOUT MERGE MKCALENDAR LINK UNLINK PURGE NOTIFY SUBSCRIBE UNSUBSCRIBE M-SEARCH SOURCE',
  ].flatMap((line) => line.split(' ')),
)

function methodFault(value: string): string | undefined {
  if (METHODS.has(value)) return undefined
  return METHODS.has(value.toUpperCase())
    ? 'must be in capitals: methods are case-sensitive'
    : 'must be a known method such as GET or POST; leave methods out for all of them'
}

const route = mark(
  z.strictObject({
    path: routePath().describe(
      "Written decoded, and under the application's path. /x/* covers /x and everything below; without /* exactly that path; :name is one segment.",
    ),
    methods: methods()
      .optional()
      .describe('The methods that this route takes; GET includes HEAD. Default: every method.'),
    access: accessRule.optional().describe("Who may pass. Default: the application's."),
    ...routeKeys,
  }),
  { sameAs: 'applications.NAME' },
)

const application = z.strictObject({
  hosts: filledList(host()).optional().describe('The hosts it answers. Default: the host of publicUrl.'),
  path: applicationPath().default('/').describe('The prefix under which it lives on those hosts.'),
  pool: plainText().optional().describe('The user pool whose people it serves. Default: the first.'),
  access: accessRule
    .optional()
    .describe(
      'Who may pass: public (nobody is asked), optional (nobody is asked, who is signed in is told), signedIn, or a list of which any one entry lets in.',
    ),
  ...routeKeys,
  ...applicationKeys,
  routes: named(route)
    .default({})
    .describe(
      "Parts of it that differ: each with its path, and any of the settings above; what is missing is the application's.",
    ),
})

function applicationPath() {
  return text({
    expects: 'a path such as /wiki',
    fault: (value) =>
      /[*]|\/:/.test(value) ? 'must be a plain prefix such as /wiki, without * and :name' : pathPatternFault(value),
  })
}

export const defaults = mark(z.strictObject({ ...routeKeys, ...applicationKeys }).omit({ reportOnly: true }), {
  sameAs: 'applications.NAME',
  strangers: {
    access: 'never comes from defaults: state it at each application or route',
    reportOnly: 'never comes from defaults: state it at each application or route',
    routes: 'belong to an application',
  },
})
  .prefault({})
  .describe(
    "What holds for every application that does not say otherwise: any of an application's settings but hosts, path, pool, access, reportOnly and routes.",
  )

/** What holds for an application as a whole, after merging with `defaults`. */
export const ApplicationKeys = z.strictObject(applicationKeys)

export const applications = mark(
  named(application).check(({ value, issues }) => {
    if (Object.keys(value).length === 0)
      issues.push({ code: 'custom', message: 'must name an application', input: value, path: [] })
    for (const name of ['gateway', 'none'].filter((one) => Object.hasOwn(value, one)))
      issues.push({
        code: 'custom',
        message: `must not be called ${name}: in log and metrics that is no application's route; give it another name`,
        input: value,
        path: [name],
      })
  }),
  { expects: 'a map from names to applications' },
).describe('The applications behind the gateway, by name.')
