import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import { createCognitoClient, type Grant } from '../../src/adapters/cognito-client.ts'
import { createJwksFetch } from '../../src/adapters/jwks-fetch.ts'
import { createPoolGate } from '../../src/adapters/pool-gate.ts'
import type { RefreshOutcome } from '../../src/adapters/refresher.ts'
import { createSessionRefresh } from '../../src/adapters/session-refresh.ts'
import { createTokenVerifier } from '../../src/adapters/token-verifier.ts'
import { catalogue, GatewayError } from '../../src/domain/errors.ts'
import { makeCertificate } from '../helpers/certificates.ts'
import { alice } from '../helpers/people.ts'
import { freePort } from '../helpers/world.ts'

/** Nothing takes longer than its time-out, 5 s or 3 s; the rest is what a busy machine may add. */
const PATIENCE_MS = 15_000
const POOL = '/eu-west-1_AbCdEfGhI'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

const http = (status: number, type: string, body: string): string =>
  `HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`

/** What is done with a connection whose request has come. */
const misdeeds = {
  blackhole: () => undefined,
  reset: (socket) => void socket.resetAndDestroy(),
  'a 4xx': (socket) => void socket.end(http(400, 'application/json', '{"error":"invalid_request"}')),
  'a 5xx': (socket) => void socket.end(http(502, 'application/json', '{"message":"Bad Gateway"}')),
  HTML: (socket) => void socket.end(http(200, 'text/html', '<html>Please stand by</html>')),
  'HTML called JSON': (socket) => void socket.end(http(200, 'application/json', '<html>Please stand by</html>')),
  'truncated JSON': (socket) => void socket.end(http(200, 'application/json', '{"access_token":"eyJ')),
  'an answer cut off': (socket) =>
    void socket.end('HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"keys":'),
  '10 MB': (socket) => void socket.end(http(200, 'application/json', `{"x":"${'x'.repeat(10_000_000)}"}`)),
  'a slow drip': (socket) => {
    socket.write('HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n')
    const drip = setInterval(() => void socket.write(' '), 100)
    socket.once('close', () => clearInterval(drip))
  },
} as const satisfies Record<string, (socket: Socket) => void>

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** The address of a pool for each fault. */
async function faultyPools(): Promise<Readonly<Record<string, string>>> {
  const pools: Record<string, string> = {
    'a name that is not known': 'https://nowhere.invalid',
    'a closed port': `http://127.0.0.1:${await freePort()}`,
  }
  for (const [fault, act] of Object.entries(misdeeds)) {
    const server = createServer((socket) => socket.once('data', () => act(socket)))
    pools[fault] = `http://127.0.0.1:${await listen(server)}`
  }
  const folder = mkdtempSync(join(tmpdir(), 'expired-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const expired = makeCertificate(folder, 'expired', -1)
  const secure = createTlsServer(expired, (socket) => socket.end(http(200, 'application/json', '{}')))
  secure.on('tlsClientError', () => undefined)
  pools['an expired certificate'] = `https://localhost:${await listen(secure)}`
  return pools
}

/** What a call came to, as `503 GW_POOL_UNAVAILABLE pool_error`, or the kind of its result. */
async function told(call: Promise<Grant | RefreshOutcome | string | void>): Promise<string> {
  try {
    const result = await call
    return typeof result === 'object' ? wordOf(result) : 'done'
  } catch (error) {
    // Who is refused for a fault that may pass is told when to come back.
    const says = error instanceof GatewayError && error.headers['retry-after'] !== undefined
    return says ? nameOf(error) : `for ever: ${nameOf(error)}`
  }
}

function wordOf(result: Grant | RefreshOutcome): string {
  return result.kind === 'unavailable' ? `goes on: ${nameOf(result.cause)}` : result.kind
}

function nameOf(error: unknown): string {
  if (!(error instanceof GatewayError)) return `not translated: ${String(error)}`
  const { code, reason } = error
  return `${catalogue[code].status} ${code} ${reason}`
}

/** Asks each endpoint at this address once. */
function endpoints(address: string) {
  const issuer = address + POOL
  const clientOf = (domain: string | undefined) =>
    createCognitoClient({
      issuer,
      domain,
      clientId: 'app',
      clientSecret: () => undefined,
      scopes: ['openid'],
      onRequest: () => undefined,
      gate: createPoolGate({ requestsPerSecond: 50, now: () => performance.now(), onCircuit: () => undefined }),
      now: () => performance.now(),
    })
  const verifier = createTokenVerifier({
    issuers: [issuer],
    clientId: 'app',
    bearerClients: ['app'],
    now: Date.now,
    fetchJwks: createJwksFetch({ onRequest: () => undefined, onFetch: () => undefined }),
  })
  const page = { redirectUri: 'https://app.example/cb', state: 's', nonce: 'n', verifier: 'v'.repeat(43) }
  const url = new URL('https://app.example/cb?code=c&state=s')
  const refresh = createSessionRefresh({
    cognito: clientOf(address),
    verifier,
    pool: { name: 'staff', userPoolId: POOL.slice(1), trustEmailFrom: [] },
    keepClaims: [],
    keepTokens: { accessToken: false, idToken: false },
    now: Date.now,
    onOutcome: () => undefined,
  })
  const session = { id: 's', person: alice(), startedAt: 1, seenAt: 1, claimsAt: 1, accessExpiresAt: 2 }
  return {
    discovery: async () => clientOf(undefined).pageUrl('sign-in', page),
    jwks: async () => void (await verifier.verifyBearer(tokenFrom(issuer))),
    'token for a sign-in': async () =>
      clientOf(address).exchange({ url, state: 's', nonce: 'n', verifier: page.verifier }),
    'token for a refresh': async () => refresh({ ...session, refreshToken: 'r' }),
    revoke: async () => clientOf(address).revoke('r'),
  }
}

/** A token with a key that nobody knows. */
function tokenFrom(iss: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const times = { iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 600 }
  const claims = { iss, sub: 's', token_use: 'access', client_id: 'app', ...times }
  return `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}.${Buffer.alloc(256, 1).toString('base64url')}`
}

const AWAY = '503 GW_POOL_UNAVAILABLE pool_error'
const usual: Readonly<Record<string, string>> = {
  discovery: AWAY,
  jwks: '503 GW_POOL_UNAVAILABLE jwks',
  'token for a sign-in': AWAY,
  'token for a refresh': `goes on: ${AWAY}`,
  revoke: AWAY,
}
/** Where a fault means something else at one endpoint. */
const unusual: Readonly<Record<string, string>> = {
  // Whatever the text of a 200: the token is revoked (RFC 7009, 2.2).
  'revoke: HTML': 'done',
  'revoke: HTML called JSON': 'done',
  'revoke: truncated JSON': 'done',
  // A whole answer that is no tokens: the code is used up, and the page says 502 GW_SIGN_IN_REFUSED.
  'token for a sign-in: a 4xx': 'rejected',
  'token for a sign-in: HTML called JSON': 'rejected',
  'token for a sign-in: truncated JSON': 'rejected',
  // A session waits for a better one.
  'token for a refresh: a 4xx': 'goes on: 503 GW_POOL_UNAVAILABLE pool_refused',
  'token for a refresh: HTML called JSON': 'goes on: 503 GW_POOL_UNAVAILABLE pool_refused',
  'token for a refresh: truncated JSON': 'goes on: 503 GW_POOL_UNAVAILABLE pool_refused',
}

t.test(
  'RL13 L12 L13 whatever is wrong with whichever endpoint of the user pool, it has a status and a reason, in time',
  async (t) => {
    const cells = Object.entries(await faultyPools()).flatMap(([fault, address]) =>
      Object.entries(endpoints(address)).map(([endpoint, ask]) => ({ fault, endpoint, ask })),
    )
    t.equal(cells.length, 13 * 5)
    await Promise.all(
      cells.map(async ({ fault, endpoint, ask }) => {
        const startedAt = performance.now()
        const cell = `${endpoint}: ${fault}`
        t.equal(await told(ask()), unusual[cell] ?? usual[endpoint], cell)
        t.ok(performance.now() - startedAt < PATIENCE_MS, `${cell} does not hang`)
      }),
    )
    t.same(unhandled, [])
  },
)
