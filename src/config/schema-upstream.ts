import { z } from 'zod'
import { count, file, host, list, ownPath, seconds, text, upstreamUrl } from './kinds.ts'
import { mark, notYet } from './marks.ts'

const DAY = 86_400

const upstreamMap = z.strictObject({
  url: upstreamUrl()
    .optional()
    .describe('Where the application listens: http or https, a host, perhaps a port and a path.'),
  urls: notYet(list(upstreamUrl()).optional().describe('Several addresses of one application, used in turn.')),
  host: text({ expects: 'preserve, upstream, or a host name', pattern: /^[A-Za-z0-9._-]+(?::\d{1,5})?$/ })
    .default('preserve')
    .describe("The Host header for the application: preserve (the browser's), upstream (that of url), or a name."),
  serverName: notYet(
    host().optional().describe("The name to expect in the application's certificate, where it is not that of url."),
  ),
  caFile: notYet(
    file().optional().describe("Certificate authorities to trust for this application, instead of the system's."),
  ),
  certFile: notYet(file().optional().describe('Certificate that the gateway shows to the application.')),
  keyFile: notYet(file().optional().describe('Private key of certFile.')),
  insecureSkipVerify: notYet(
    z
      .literal('i-accept-the-risk')
      .optional()
      .describe('Trusts any certificate of the application, and so anybody between.'),
  ),
  connectSeconds: seconds(300).default(5).describe('How long connecting to the application may take.'),
  responseSeconds: seconds(3_600)
    .default(60)
    .describe("How long the application may take from the end of the request's body to the first byte of its answer."),
  idleSeconds: seconds(DAY)
    .default(300)
    .describe('How long an answer may pause; event streams and WebSockets may pause for ever.'),
  totalSeconds: z
    .union([z.literal('off'), seconds(7 * DAY)])
    .default('off')
    .describe('How long an exchange may take in all; off: as long as it goes on.'),
  connections: notYet(
    count(1, 10_000).optional().describe('How many connections to the application are open at most.'),
  ),
  queue: notYet(count(0, 100_000).optional().describe('How many requests may wait for a connection.')),
  stick: notYet(z.enum(['none', 'session']).default('none').describe('Whether a session stays with one of urls.')),
  resolve: notYet(
    z.enum(['one', 'all']).optional().describe("Whether one or all addresses of the application's name are used."),
  ),
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
  connectionAuth: z
    .enum(['refuse', 'pin'])
    .default('refuse')
    .describe(
      'NTLM and Negotiate sign a TCP connection in: refuse never offers or passes them; pin gives each signed-in client connection one of its own.',
    ),
})

/** The application behind: its address alone, or with everything about the connection. */
export const upstream = mark(z.union([upstreamUrl(), upstreamMap]), {
  expects: "the application's address, or a map with url and times",
})
