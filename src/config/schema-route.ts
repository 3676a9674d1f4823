import { z } from 'zod'
import { count, day, filledList, headerName, headerValue, httpOrigin, list, ownPath, seconds } from './kinds.ts'
import { mark } from './marks.ts'
import { identity } from './schema-identity.ts'
import { upstream } from './schema-upstream.ts'

const DAY = 86_400

const off = () => z.literal('off')

const headerChange = () =>
  z.strictObject({
    set: z.record(headerName(), headerValue()).default({}).describe('Headers to set, whatever was there.'),
    setIfAbsent: z.record(headerName(), headerValue()).default({}).describe('Headers to set where there is none.'),
    remove: list(headerName()).default([]).describe('Headers to take out.'),
  })

/** Everything that may stand in `defaults`, at an application and at a route; `access` is no part of it. */
export const routeKeys = {
  upstream: upstream.optional().describe('The application behind: its address, or a map of the settings below.'),
  identity: identity.prefault({}).describe('How the application is told who is there.'),
  authorization: z
    .enum(['auto', 'gateway', 'application', 'drop'])
    .default('auto')
    .describe(
      "Whose the Authorization header is; auto: bearer tokens of our pools are the gateway's, anything else is passed on; drop: it is nobody's.",
    ),
  clientBasic: z
    .boolean()
    .default(false)
    .describe('Takes Basic with id and secret of an app client in bearerClients for its token.'),
  challenge: filledList(z.enum(['bearer', 'basic']))
    .default(['bearer'])
    .describe('What WWW-Authenticate offers to programs; basic is not offered to browsers.'),
  // YAML reads a plain 401 as a number, and people write it plain.
  onUnauthenticated: mark(z.union([z.enum(['auto', 'signIn', '401']), z.literal(401)]), {
    expects: 'auto, signIn or 401',
  })
    .default('auto')
    .describe('What a request without identity gets: auto sends pages to sign-in and answers 401 to everything else.'),
  signInBy: z
    .enum(['redirect', 'page'])
    .default('redirect')
    .describe('How pages get to the sign-in; page keeps the #fragment of the address over it, which takes scripts.'),
  allowedOrigins: list(httpOrigin())
    .default([])
    .describe('Other origins whose pages may send requests that change something.'),
  cors: z
    .strictObject({
      preflight: z
        .enum(['refuse', 'answer', 'application'])
        .default('refuse')
        .describe(
          'Who answers a preflight; answer: the gateway, for allowedOrigins; refuse: nobody, the rule is asked as for every request.',
        ),
      credentials: z
        .boolean()
        .default(false)
        .describe('Whether pages of allowedOrigins may send cookies and read the answers.'),
    })
    .prefault({})
    .describe('How scripts of other origins are told what they may do.'),
  showMissing: z
    .boolean()
    .default(false)
    .describe('Whether the 403 page names the scope, group or claim that was missing.'),
  methodOverride: z
    .enum(['drop', 'both'])
    .default('drop')
    .describe(
      'Whether method override headers reach the application; both asks the rule for each method that they name.',
    ),
  reportOnly: z
    .union([
      off(),
      z.strictObject({
        until: day().optional().describe('The last day on which that holds, in UTC; at most 90 days from now.'),
      }),
    ])
    .default('off')
    .describe('Lets through whom the rule refuses, and writes it down; for applications and routes, not for defaults.'),
  limits: z
    .strictObject({
      bodyBytes: z
        .union([off(), count(1, Number.MAX_SAFE_INTEGER)])
        .default('off')
        .describe('The largest request body, counted as it comes; off: no limit.'),
      clientBody: z
        .strictObject({
          idleSeconds: seconds(3_600).default(60).describe('How long a request body may pause.'),
          minBytesPerSecond: count(1, 1_000_000_000)
            .default(500)
            .describe('How slow a request body may be, on the average of idleSeconds.'),
        })
        .prefault({})
        .describe('How a request body must arrive.'),
    })
    .prefault({})
    .describe('Limits on what clients send.'),
  webSocket: z
    .strictObject({
      allow: z.boolean().default(true).describe('Whether connections may be upgraded to a WebSocket.'),
      idleSeconds: z
        .union([off(), seconds(7 * DAY)])
        .default('off')
        .describe('How long a WebSocket may be silent.'),
      maxPerSession: count(1, 10_000).default(50).describe('How many WebSockets one session may have open.'),
    })
    .prefault({})
    .describe('WebSockets to the application.'),
  strip: ownPath().optional().describe('A prefix that the application does not know of; told in X-Forwarded-Prefix.'),
  replace: z
    .record(ownPath(), ownPath())
    .optional()
    .describe('Prefixes of paths and what the application knows them as.'),
  redirects: z
    .enum(['fix', 'keep'])
    .default('fix')
    .describe("fix: a Location that names the application's own address becomes the public one."),
  requestHeaders: headerChange().prefault({}).describe('Changes to the headers for the application.'),
  responseHeaders: headerChange().prefault({}).describe("Changes to the headers of the application's answers."),
  cookies: z
    .strictObject({
      domain: z.enum(['keep', 'drop']).default('keep').describe("What becomes of Domain in the application's cookies."),
      secure: z.boolean().default(false).describe("Adds Secure to the application's cookies."),
    })
    .prefault({})
    .describe("Changes to the application's cookies."),
} as const

/** The settings of a route after merging, with every default in place. */
export const RouteKeys = z.strictObject(routeKeys)
