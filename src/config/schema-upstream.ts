import { z } from 'zod'
import { serverNameFault } from './addresses.ts'
import { count, file, filledList, seconds, text, upstreamUrl } from './kinds.ts'
import { mark } from './marks.ts'

const DAY = 86_400

const upstreamMap = z.strictObject({
  url: upstreamUrl()
    .optional()
    .describe(
      'Where the application listens: http or https, a host, perhaps a port and a path; or unix:/run/app.sock, perhaps with a path: unix:/run/app.sock:/path.',
    ),
  urls: filledList(upstreamUrl())
    .optional()
    .describe('Several addresses of one application, used in turn; one that keeps failing is left out for a while.'),
  host: text({ expects: 'preserve, upstream, or a host name', pattern: /^[A-Za-z0-9._-]+(?::\d{1,5})?$/ })
    .default('preserve')
    .describe("The Host header for the application: preserve (the browser's), upstream (that of url), or a name."),
  serverName: text({ expects: 'a host name such as wiki.internal', fault: serverNameFault })
    .optional()
    .describe("The name to expect in the application's certificate, where it is not that of url."),
  caFile: file()
    .optional()
    .describe(
      "Certificate authorities to trust for this application, instead of the system's; read again when it changes.",
    ),
  certFile: file()
    .optional()
    .describe('Certificate that the gateway shows to the application; read again when it changes.'),
  keyFile: file().optional().describe('Private key of certFile, not encrypted; read again when it changes.'),
  insecureSkipVerify: z
    .literal('i-accept-the-risk')
    .optional()
    .describe('Trusts any certificate of the application, and so anybody between.'),
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
  connections: count(1, 10_000)
    .default(256)
    .describe('How many connections to each address of the application are open at most.'),
  queue: count(0, 100_000)
    .default(1_024)
    .describe('How many requests may wait for a connection, none of them longer than responseSeconds.'),
  stick: z
    .enum(['none', 'session'])
    .default('none')
    .describe('Whether a session stays with one of the addresses, as long as that one answers.'),
  resolve: z
    .enum(['one', 'all'])
    .default('one')
    .describe(
      'Whether the name of the application counts as one address, or each IP address of it, looked up again every 30 seconds, as one.',
    ),
  health: z
    .union([
      z.literal('off'),
      z.strictObject({
        path: text({ expects: 'a path such as /health', pattern: /^\/[\x21\x22\x24-\x7e]*$/ })
          .optional()
          .describe("The path to ask, below url's; 2xx means healthy."),
        everySeconds: seconds(3_600).default(10).describe('How often to ask.'),
        timeoutSeconds: seconds(300).default(2).describe('How long the answer may take.'),
      }),
    ])
    .default('off')
    .describe(
      'Asks each address of the application whether it is well, and sends nothing to one that twice in a row was not; off asks nobody.',
    ),
  breaker: z
    .union([
      z.literal('off'),
      z.strictObject({
        failures: count(1, 1_000).default(10).describe('How many failures in a row open the circuit.'),
        openSeconds: seconds(3_600).default(5).describe('How long it stays open before one request tries again.'),
      }),
    ])
    .prefault({})
    .describe(
      'Stops asking an application that keeps failing to connect, to answer in time or to finish its answer: requests are refused at once for a while; off always asks.',
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
