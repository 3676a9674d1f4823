import { z } from 'zod'
import {
  clientId,
  count,
  file,
  filledList,
  headerName,
  host,
  httpOrigin,
  list,
  mapOf,
  ownPath,
  plainText,
  scope,
  seconds,
  secretSource,
  text,
  upstreamUrl,
} from './kinds.ts'
import { mark, notYet } from './marks.ts'

const DAY = 86_400
const off = () => z.literal('off')

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
        .describe('Each named claim must have one of the values; a claim that is a list matches by member, a text is never split.'),
      clients: notYet(filledList(clientId()).optional().describe('Any one of these app clients.')),
      pools: notYet(filledList(plainText()).optional().describe("Identities of these user pools, beside the application's own.")),
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
        seconds(30 * DAY).optional().describe('People who gave their password at most this long ago.'),
      ),
    })
    .check(({ value, issues }) => {
      if (Object.keys(value).length === 0)
        issues.push({ code: 'custom', message: 'must have a condition: without one it would let everybody in', input: value, path: [] })
      if (value.claims !== undefined && Object.keys(value.claims).length === 0)
        issues.push({ code: 'custom', message: 'must name a claim', input: value.claims, path: ['claims'] })
    }),
  { expects: 'a map of conditions such as { groups: [ops] }' },
)

export const accessRule = mark(z.union([z.enum(['public', 'optional', 'signedIn']), filledList(accessEntry)]), {
  expects: 'public, optional, signedIn, or a list of conditions such as [{ groups: [ops] }]',
})

const upstreamObject = z.strictObject({
  url: upstreamUrl().optional().describe('Where the application listens: http or https, a host, perhaps a port and a path.'),
  urls: notYet(list(upstreamUrl()).optional().describe('Several addresses of one application, used in turn.')),
  host: text({ expects: 'preserve, upstream, or a host name', pattern: /^[A-Za-z0-9._-]+(?::\d{1,5})?$/ })
    .default('preserve')
    .describe("The Host header for the application: preserve (the browser's), upstream (that of url), or a name."),
  serverName: notYet(host().optional().describe("The name to expect in the application's certificate, where it is not that of url.")),
  caFile: notYet(file().optional().describe("Certificate authorities to trust for this application, instead of the system's.")),
  certFile: notYet(file().optional().describe('Certificate that the gateway shows to the application.')),
  keyFile: notYet(file().optional().describe('Private key of certFile.')),
  insecureSkipVerify: notYet(
    z.literal('i-accept-the-risk').optional().describe("Trusts any certificate of the application, and so anybody between."),
  ),
  connectSeconds: seconds(300).default(5).describe('How long connecting to the application may take.'),
  responseSeconds: seconds(3_600)
    .default(60)
    .describe("How long the application may take from the end of the request's body to the first byte of its answer."),
  idleSeconds: seconds(DAY)
    .default(300)
    .describe('How long an answer may pause; event streams and WebSockets may pause for ever.'),
  totalSeconds: notYet(z.union([off(), seconds(7 * DAY)]).default('off').describe('How long an exchange may take in all.')),
  connections: notYet(count(1, 10_000).optional().describe('How many connections to the application are open at most.')),
  queue: notYet(count(0, 100_000).optional().describe('How many requests may wait for a connection.')),
  stick: notYet(z.enum(['none', 'session']).default('none').describe('Whether a session stays with one of urls.')),
  resolve: notYet(z.enum(['one', 'all']).optional().describe("Whether one or all addresses of the application's name are used.")),
  health: notYet(
    z
      .strictObject({
        path: ownPath().optional().describe('The path to ask; 2xx means healthy.'),
        everySeconds: seconds(3_600).optional().describe('How often to ask.'),
        timeoutSeconds: seconds(300).optional().describe('How long the answer may take.'),
      })
      .optional()
      .describe('Asks the application whether it is well, and sends nothing to one that is not.'),
  ),
  breaker: notYet(
    z
      .strictObject({
        failures: count(1, 1_000).optional().describe('How many failures in a row open the circuit.'),
        openSeconds: seconds(3_600).optional().describe('How long it stays open.'),
      })
      .optional()
      .describe('Stops asking an application that keeps failing, for a while.'),
  ),
  connectionAuth: notYet(
    z.enum(['refuse', 'pin']).optional().describe('What becomes of NTLM and Negotiate, which tie a person to a connection.'),
  ),
})

const identity = z.strictObject({
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
    .describe('What stands for the person: sub, email, username (preferred_username, else cognito:username) or claim:NAME.'),
  groups: z
    .strictObject({
      only: list(plainText()).optional().describe('Only these groups are told. Default: all, but never those of identity providers.'),
      rename: mapOf(plainText()).default({}).describe('Other names for groups, for this application.'),
      separator: z
        .string()
        .check(({ value, issues }) => {
          if (!/^[\x20-\x7e]{1,3}$/.test(value) || value.includes('%'))
            issues.push({ code: 'custom', message: 'must be one to three printable ASCII characters, none of them %', input: value, path: [] })
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
    z.record(headerName(), plainText()).optional().describe('Headers by name, each with user, email, groups or claim:NAME.'),
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

const headerChange = () =>
  z.strictObject({
    set: z.record(headerName(), z.string()).default({}).describe('Headers to set, whatever was there.'),
    setIfAbsent: z.record(headerName(), z.string()).default({}).describe('Headers to set where there is none.'),
    remove: list(headerName()).default([]).describe('Headers to take out.'),
  })

/** Everything that may stand in `defaults`, at an application and at a route; `access` is no part of it. */
export const routeKeys = {
  upstream: mark(z.union([upstreamUrl(), upstreamObject]), { expects: "the application's address, or a map with url and times" })
    .optional()
    .describe('The application behind: its address, or a map of the settings below.'),
  identity: identity.prefault({}).describe('How the application is told who is there.'),
  authorization: notYet(
    z
      .enum(['auto', 'gateway', 'application', 'drop'])
      .default('auto')
      .describe('Whose the Authorization header is; auto: bearer tokens of our pools are ours, anything else is passed on.'),
  ),
  clientBasic: notYet(
    z.boolean().default(false).describe('Takes Basic with id and secret of a client in bearerClients for its token.'),
  ),
  challenge: notYet(
    filledList(z.enum(['bearer', 'basic'])).default(['bearer']).describe('What WWW-Authenticate offers to programs.'),
  ),
  // YAML reads a plain 401 as a number, and people write it plain.
  onUnauthenticated: mark(z.union([z.enum(['auto', 'signIn', '401']), z.literal(401)]), { expects: 'auto, signIn or 401' })
    .default('auto')
    .describe('What a request without identity gets: auto sends pages to sign-in and answers 401 to everything else.'),
  signInBy: notYet(
    z.enum(['redirect', 'page']).default('redirect').describe('page keeps the #fragment of the address over a sign-in.'),
  ),
  allowedOrigins: list(httpOrigin())
    .default([])
    .describe('Other origins whose pages may send requests that change something.'),
  cors: notYet(
    z
      .strictObject({
        preflight: z.enum(['refuse', 'answer', 'application']).optional().describe('Who answers a preflight request.'),
        credentials: z.boolean().optional().describe('Whether other origins may send cookies.'),
      })
      .optional()
      .describe('How requests that ask for permission across origins are answered.'),
  ),
  showMissing: z.boolean().default(false).describe('Whether the 403 page names the scope, group or claim that was missing.'),
  methodOverride: notYet(
    z
      .enum(['drop', 'both'])
      .default('drop')
      .describe('Whether method override headers reach the application; both asks the rule for each method.'),
  ),
  reportOnly: notYet(
    z
      .strictObject({
        until: text({ expects: 'a date such as 2027-01-31', pattern: /^\d{4}-\d{2}-\d{2}$/ })
          .optional()
          .describe('The last day, at most 90 days from now.'),
      })
      .optional()
      .describe('Lets through whom the rule refuses, and writes it down.'),
  ),
  limits: notYet(
    z
      .strictObject({
        bodyBytes: z
          .union([off(), count(1, Number.MAX_SAFE_INTEGER)])
          .optional()
          .describe("The largest request body."),
        clientBody: z
          .strictObject({
            idleSeconds: seconds(3_600).optional().describe('How long a request body may pause.'),
            minBytesPerSecond: count(1, 1_000_000_000).optional().describe('How slow a request body may be.'),
          })
          .optional()
          .describe('How a request body must arrive.'),
      })
      .optional()
      .describe('Limits on what clients send.'),
  ),
  webSocket: notYet(
    z
      .strictObject({
        allow: z.boolean().optional().describe('Whether connections may be upgraded.'),
        idleSeconds: z.union([off(), seconds(7 * DAY)]).optional().describe('How long a WebSocket may be silent.'),
        maxPerSession: count(1, 10_000).optional().describe('How many WebSockets one session may have open.'),
      })
      .optional()
      .describe('WebSockets to the application.'),
  ),
  strip: notYet(ownPath().optional().describe('A prefix that the application does not know of.')),
  replace: notYet(mapOf(plainText()).optional().describe('Prefixes of paths and what the application knows them as.')),
  redirects: notYet(
    z.enum(['fix', 'keep']).optional().describe("fix: a Location that names the application's own address becomes the public one."),
  ),
  requestHeaders: notYet(headerChange().optional().describe('Changes to the headers for the application.')),
  responseHeaders: notYet(headerChange().optional().describe("Changes to the headers of the application's answers.")),
  cookies: notYet(
    z
      .strictObject({
        domain: z.enum(['keep', 'drop']).optional().describe("What becomes of Domain in the application's cookies."),
        secure: z.boolean().optional().describe("Adds Secure to the application's cookies."),
      })
      .optional()
      .describe("Changes to the application's cookies."),
  ),
} as const

/** The settings of a route after merging, with every default in place. */
export const RouteKeys = z.strictObject(routeKeys)
