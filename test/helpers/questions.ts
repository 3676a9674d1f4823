import type { AskingProxy } from '../../src/domain/proxy-question.ts'
import { sendRaw, type RawAnswer } from './raw-http.ts'
import type { World } from './world.ts'

export const PROXIES: readonly AskingProxy[] = ['nginx', 'traefik', 'caddy', 'haproxy', 'envoy']

/** Settings of a gateway that this proxy asks from this machine. */
export const askedBy = (proxy: AskingProxy) => ({
  forwardAuth: { host: '127.0.0.1', port: 0, proxy },
  trustedProxies: [{ cidr: '127.0.0.1/32', headers: ['for'] }],
})

export interface Question {
  readonly method?: string
  readonly target: string
  readonly host?: string
  /** Of the client, as lines. */
  readonly headers?: readonly string[]
  readonly redirect?: boolean
}

/** The bytes of a question, in the shape in which the proxy's documentation has it. */
export function bytesOf(proxy: AskingProxy, question: Question): string {
  const { method = 'GET', target, host = 'localhost', headers = [], redirect = false } = question
  const address = `/oauth2/auth${redirect ? '?redirect=true' : ''}`
  const asked = `GET ${address} HTTP/1.1`
  const forwarded = [
    'X-Forwarded-For: 192.0.2.7',
    `X-Forwarded-Host: ${host}`,
    `X-Forwarded-Method: ${method}`,
    'X-Forwarded-Proto: http',
    `X-Forwarded-Uri: ${target}`,
  ]
  const lines = {
    nginx: [
      asked,
      `Host: ${host}`,
      `X-Original-Method: ${method}`,
      `X-Original-URI: ${target}`,
      'X-Forwarded-For: 192.0.2.7',
    ],
    traefik: [asked, 'Host: 127.0.0.1:9092', 'X-Forwarded-Server: edge', ...forwarded],
    caddy: [asked, `Host: ${host}`, ...forwarded],
    haproxy: [asked, 'Host: 127.0.0.1:9092', ...forwarded],
    envoy: [
      `${method} ${address}${target} HTTP/1.1`,
      `Host: ${host}`,
      'Content-Length: 0',
      'X-Forwarded-For: 192.0.2.7',
      'X-Envoy-Internal: true',
    ],
  }[proxy]
  return [...lines, ...headers, '', ''].join('\r\n')
}

export async function ask({ gateway }: World, proxy: AskingProxy, question: Question | string): Promise<RawAnswer> {
  const bytes = typeof question === 'string' ? question : bytesOf(proxy, question)
  return sendRaw(gateway.forwardAuthPort ?? 0, bytes)
}

/** The line with the cookies of somebody who has signed in at the gateway itself. */
export async function cookieLine(world: World, username = 'alice', more = ''): Promise<string> {
  const browser = world.client()
  await browser.signIn(`${world.url}/`, username)
  const pairs = [...browser.jarOf(new URL(world.url).host)].map(([name, value]) => `${name}=${value}`)
  return `Cookie: ${[...pairs, ...(more === '' ? [] : [more])].join('; ')}`
}

export async function machineToken({ pool }: World): Promise<string> {
  const answer = await fetch(`${pool.url}/oauth2/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa('orders-batch:orders-batch-secret')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return token
}
