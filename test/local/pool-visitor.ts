import { createHash, randomBytes } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { startLocalPool, type LocalPool, type LocalPoolOptions } from '../../src/local/local-pool.ts'
import { createClock, type Clock } from '../helpers/clock.ts'
import { nextSigningKey } from '../helpers/signing-keys.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export const CALLBACK = 'http://localhost:4711/callback'
export const SIGNED_OUT = 'http://localhost:4711/signed-out'
export const APP = { client_id: 'app0000000000000000000001', client_secret: 'app+secret/1234567890123456' }
export const OTHER = { client_id: 'other000000000000000000001', client_secret: 'other-secret-123456789012345' }
export const MACHINE = { client_id: 'orders-batch', client_secret: 'orders-batch-secret' }

type ClientInput = NonNullable<LocalPoolOptions['clients']>[number]

export interface TestPool {
  readonly pool: LocalPool
  readonly clock: Clock
}

/** A pool with two people, two app clients for people, one for a machine, and a provider. */
export async function startPool(
  t: Teardown,
  options: Partial<LocalPoolOptions> = {},
  client: Partial<ClientInput> = {},
): Promise<TestPool> {
  const clock = createClock()
  const common: Omit<ClientInput, 'id'> = {
    flows: ['code'],
    scopes: ['openid', 'email', 'profile', 'orders/read'],
    callbackUrls: [CALLBACK, `${CALLBACK}?kept=1`],
    logoutUrls: [SIGNED_OUT],
  }
  const pool = await startLocalPool({
    now: clock.now,
    newSigningKey: nextSigningKey,
    users: {
      alice: {
        password: 'Passw0rd!',
        groups: ['admins', 'ops'],
        attributes: {
          email: 'alice@example.com',
          email_verified: true,
          name: 'Alice Example',
          'custom:tenant': 'acme',
        },
      },
      bob: { password: 'Passw0rd!', attributes: { email: 'bob@example.com', email_verified: true } },
    },
    clients: [
      {
        ...common,
        id: APP.client_id,
        secret: APP.client_secret,
        identityProviders: ['COGNITO', 'ExampleCorp'],
        ...client,
      },
      { ...common, id: OTHER.client_id, secret: OTHER.client_secret },
      { ...common, id: 'public000000000000000000001' },
      { ...common, id: 'onlycorp00000000000000001', secret: 'x', identityProviders: ['ExampleCorp'] },
      {
        id: MACHINE.client_id,
        secret: MACHINE.client_secret,
        flows: ['client_credentials'],
        scopes: ['orders/read', 'orders/write'],
      },
    ],
    resourceServers: [{ identifier: 'orders', scopes: ['read', 'write'] }],
    identityProviders: [{ name: 'ExampleCorp', identifiers: ['corp.example'], issuer: 'https://idp.corp.example' }],
    ...options,
  })
  t.teardown(async () => pool.close())
  return { pool, clock }
}

/** A PKCE pair; the verifier is 43 characters long. */
export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** The address of an authorize request; undefined removes a parameter. */
export function authorizeUrl(pool: LocalPool, changes: Record<string, string | undefined> = {}): string {
  const parameters = {
    response_type: 'code',
    client_id: APP.client_id,
    redirect_uri: CALLBACK,
    state: 'S',
    scope: 'openid email profile',
    ...changes,
  }
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return `${pool.url}/oauth2/authorize?${new URLSearchParams(given)}`
}

export interface Stop {
  readonly url: string
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

/** A browser without a window that stays at the pool: it stops at a page, or at the address of a redirect that leads away. */
export class Visitor {
  readonly cookies = new Map<string, string>()
  readonly #home: string

  constructor(home: string) {
    this.#home = home
  }

  async ask(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', ...init, headers: { cookie } })
    for (const line of response.headers.getSetCookie()) this.#keep(line)
    return response
  }

  async visit(url: string, init: RequestInit = {}): Promise<Stop> {
    const response = await this.ask(url, init)
    const location = response.headers.get('location')
    if (location !== null && location.startsWith(this.#home)) return this.visit(location)
    const text = await response.text()
    return { url: location ?? url, status: response.status, text, headers: response.headers }
  }

  async submit(page: Stop, values: Record<string, string>): Promise<Stop> {
    const action = /<form[^>]*action="([^"]*)"/.exec(page.text)?.[1] ?? ''
    const fields = new URLSearchParams()
    for (const [input] of page.text.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      fields.set(attributeOf(input, 'name'), attributeOf(input, 'value'))
    }
    for (const [name, value] of Object.entries(values)) fields.set(name, value)
    return this.visit(new URL(unescape(action), page.url).href, { method: 'POST', body: fields })
  }

  async signIn(url: string, username = 'alice', password = 'Passw0rd!'): Promise<Stop> {
    return this.submit(await this.visit(url), { username, password })
  }

  #keep(line: string): void {
    const [pair = ''] = line.split(';')
    const [name = '', value = ''] = pair.split('=')
    if (value === '' || /Max-Age=0|Expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

const attributeOf = (tag: string, name: string): string =>
  unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '')

export const unescape = (text: string): string =>
  text
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")

export interface TokenAnswer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at whatever came
  readonly body: any
}

/** A form posted to an endpoint of the pool. */
export async function post(
  pool: LocalPool,
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<TokenAnswer> {
  const response = await fetch(`${pool.url}${path}`, { method: 'POST', body: new URLSearchParams(form), headers })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? '' : JSON.parse(text) }
}

/** A whole sign-in: the answer of the token endpoint. */
export async function tokensFor(
  pool: LocalPool,
  { visitor = new Visitor(pool.url), ...changes }: { visitor?: Visitor } & Record<string, unknown> = {},
): Promise<TokenAnswer> {
  const { verifier, challenge } = pkce()
  const asked = { code_challenge: challenge, code_challenge_method: 'S256', ...changes }
  const end = await visitor.signIn(authorizeUrl(pool, asked))
  return exchange(pool, end, { code_verifier: verifier })
}

/** Exchanges the code that a callback brought. */
export async function exchange(pool: LocalPool, end: Stop, more: Record<string, string> = {}): Promise<TokenAnswer> {
  const code = new URL(end.url).searchParams.get('code') ?? ''
  return post(pool, '/oauth2/token', {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    ...APP,
    ...more,
  })
}

export const claimsOf = (token: string): JWTPayload => decodeJwt(token)
export const headerOf = (token: string): Record<string, unknown> => ({ ...decodeProtectedHeader(token) })
