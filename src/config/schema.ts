import { z } from 'zod'
import { originFault } from './addresses.ts'
import {
  bindHost,
  count,
  file,
  list,
  network,
  ownPath,
  plainText,
  port,
  seconds,
  secondsOrNone,
  secretSource,
  text,
} from './kinds.ts'
import { mark, notYet } from './marks.ts'
import { applications, defaults } from './schema-application.ts'
import { pools } from './schema-pool.ts'
import { session } from './schema-session.ts'

function publicUrlFault(value: string): string | undefined {
  const fault = originFault(value)
  if (fault !== undefined) return fault
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' || hostname === 'localhost'
    ? undefined
    : 'must begin with https://: http is for localhost only'
}

const address = (defaultPort: number) => ({
  host: bindHost().default('127.0.0.1').describe('The address to listen on.'),
  port: port().default(defaultPort).describe('The port to listen on; 0 takes any free one.'),
})

const listen = z
  .strictObject({
    host: bindHost().default('0.0.0.0').describe('The address to listen on.'),
    port: port().default(8080).describe('The port to listen on.'),
    tls: z
      .strictObject({
        certFile: file().describe('The certificate with its chain, as PEM; read again when it changes.'),
        keyFile: file().describe('Its private key, as PEM without a passphrase; read again when it changes.'),
      })
      .optional()
      .describe('Serves https by itself, TLS 1.2 and 1.3.'),
    http2: z.boolean().default(false).describe('Offers HTTP/2 beside HTTP/1.1; needs tls.'),
    maxHeaderBytes: count(8_192, 1_048_576)
      .default(65_536)
      .describe('How large the headers of a request may be in all; larger ones get 431.'),
    keepAliveTimeoutSeconds: seconds(3_600)
      .default(75)
      .describe('How long an idle connection stays open: longer than that of the load balancer in front.'),
    headersTimeoutSeconds: seconds(300).default(15).describe('How long the headers of a request may take to arrive.'),
  })
  .prefault({})
  .describe('The public listener.')

const trustedProxy = z.strictObject({
  cidr: network().describe('The network of the proxies, such as 10.0.0.0/8.'),
  headers: list(z.enum(['for', 'proto', 'host', 'port']))
    .default([])
    .describe('Which X-Forwarded headers they are believed.'),
  proxyProtocol: z
    .boolean()
    .default(false)
    .describe('Their connections must begin with a PROXY protocol v2 header, which tells the address of the client.'),
})

const endpoints = z
  .strictObject({
    prefix: ownPath().default('/oauth2').describe("Everything below it is the gateway's own, on every host."),
    callback: mark(ownPath().optional(), { defaultText: 'prefix + /callback' }).describe(
      'Where Cognito sends people back to; register publicUrl with this path at the app client.',
    ),
    callbackOn: z
      .enum(['publicUrl', 'eachHost'])
      .default('publicUrl')
      .describe(
        'publicUrl: people sign in on its host, which hands sessions over to the other hosts; eachHost: every host has a callback of its own, registered at the app client, and sessions of its own.',
      ),
    ping: mark(ownPath().optional(), { defaultText: 'prefix + /ping' }).describe(
      'Answers ok while the gateway serves, for any host: for load balancers.',
    ),
  })
  .prefault({})
  .describe("The gateway's own paths.")

/** The whole file: every setting once, with type, default, bounds and sentence. Everything else about settings is derived from it. */
export const GatewayFile = z.strictObject({
  publicUrl: text({
    expects: 'the https address that people use, such as https://apps.example.com',
    fault: publicUrlFault,
  }).describe('The one canonical address; callbacks are built from it. https, or http for localhost.'),
  listen,
  admin: z
    .strictObject(address(9090))
    .prefault({})
    .describe('The private listener for health, metrics and read-only pages.'),
  control: z
    .strictObject({
      ...address(9091),
      token: secretSource()
        .optional()
        .describe('What its callers must show as Authorization: Bearer; needed beyond this machine.'),
    })
    .optional()
    .describe(
      'The private listener for asking about sign-ins and rules, revoking, and changing the log level; there is none without this.',
    ),
  forwardAuth: z
    .strictObject({
      ...address(9092),
      proxy: z
        .enum(['nginx', 'traefik', 'caddy', 'haproxy', 'envoy'])
        .describe('The proxy that asks: each says in a place of its own what its client wants.'),
    })
    .optional()
    .describe('A listener that tells a proxy in trustedProxies who may pass; there is none without this.'),
  trustedProxies: list(trustedProxy)
    .default([])
    .describe('Proxies in front whose X-Forwarded headers are believed; nobody by default.'),
  pools,
  session,
  endpoints,
  outbound: notYet(
    z
      .strictObject({
        proxy: secretSource().optional().describe('The proxy for requests to Cognito.'),
        caFile: file().optional().describe('Certificate authorities to trust for Cognito.'),
      })
      .optional()
      .describe('How requests to Cognito leave.'),
  ),
  workers: z
    .union([count(1, 256), z.literal('auto')])
    .default(1)
    .describe('Processes that share the port, or auto: one for each processor that Node may use.'),
  shutdown: z
    .strictObject({
      drainDelaySeconds: secondsOrNone(300)
        .default(10)
        .describe('How long the gateway goes on taking requests after it was told to stop and says so at ping.'),
      shutdownTimeoutSeconds: seconds(3_600).default(30).describe('How long requests may then take to end.'),
    })
    .prefault({})
    .describe('How the gateway stops.'),
  limits: z
    .strictObject({
      signInsPerMinutePerAddress: count(1, 100_000)
        .default(60)
        .describe('How many sign-ins one client address, or one /64 of IPv6, may begin in a minute at each process.'),
    })
    .prefault({})
    .describe('Limits against abuse.'),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least level that is written.'),
      people: z.enum(['hash', 'sub', 'email']).default('hash').describe('How people appear in the log.'),
    })
    .prefault({})
    .describe('The log.'),
  assertion: z
    .strictObject({
      keys: list(secretSource())
        .default([])
        .describe(
          'Keys of the signed assertion, each made by keygen assertion; the first signs, all are published at jwks.json.',
        ),
      albKeys: list(secretSource())
        .default([])
        .describe('The same for X-Amzn-Oidc-Data of identity headers alb; others than keys.'),
    })
    .prefault({})
    .describe('Keys of what is signed for applications.'),
  include: list(plainText())
    .default([])
    .describe(
      'More files with applications, such as applications.d/*.yaml, beside this file; each has applications: and nothing else. What they name is looked for beside this file too.',
    ),
  defaults,
  applications,
})
export type GatewayFile = z.output<typeof GatewayFile>
