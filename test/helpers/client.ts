import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent, request } from 'undici'

export interface Reply {
  readonly status: number
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  json(): any
  header(name: string): string | undefined
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const PAGE = { 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', accept: 'text/html,application/xhtml+xml' }

/** A browser without a window: cookies as browsers keep them, redirects followed one by one, forms found and sent. */
export class Client {
  readonly #agent: Agent
  /** By host and port, because that is how far cookies with the `__Host-` prefix reach in a test where ports stand for sites. */
  readonly cookies = new Map<string, Map<string, string>>()
  /** Every address that the last visit led through. */
  trail: string[] = []

  constructor(t: Teardown, ca?: string) {
    this.#agent = new Agent({
      keepAliveTimeout: 1000,
      connect: { lookup: lookupHere, ...(ca === undefined ? {} : { ca }) },
    })
    t.teardown(async () => this.#agent.destroy())
  }

  /** One request and its answer; cookies are sent and kept, redirects are not followed. */
  async ask(url: string, options: AskOptions = {}): Promise<Reply> {
    const { host } = new URL(url)
    const jar = this.jarOf(host)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers: Record<string, string> = { ...(cookie === '' ? {} : { cookie }), ...options.headers }
    const answer = await request(url, {
      dispatcher: this.#agent,
      method: (options.method ?? 'GET') as 'GET',
      headers,
      ...(options.body === undefined ? {} : { body: options.body }),
    })
    const text = await answer.body.text()
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) keep(jar, line)
    return {
      status: answer.statusCode,
      url,
      headers: answer.headers,
      text,
      json: () => JSON.parse(text),
      header: (name) => [answer.headers[name.toLowerCase()]].flat()[0],
    }
  }

  /** Opens a page as a person does: follows redirects to where they end. */
  async visit(url: string, options: AskOptions = {}): Promise<Reply> {
    this.trail = []
    let next = url
    let asked: AskOptions = { ...options, headers: { ...PAGE, ...options.headers } }
    for (let round = 0; round < 20; round += 1) {
      this.trail.push(next)
      const reply = await this.ask(next, asked)
      const location = reply.header('location')
      if (reply.status < 300 || reply.status > 399 || location === undefined) return reply
      next = new URL(location, next).href
      asked = { headers: PAGE }
    }
    throw new Error(`redirected without end: ${this.trail.slice(-4).join(' → ')}`)
  }

  /** Sends the first form of a page with its hidden fields and these values, and follows where it leads unless told not to. */
  async submit(
    page: Reply,
    values: Readonly<Record<string, string>>,
    options: { form?: RegExp; follow?: boolean } = {},
  ): Promise<Reply> {
    const forms = [...page.text.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map((match) => match[0])
    const form = forms.find((text) => (options.form ?? /method="?post/i).test(text))
    if (form === undefined) throw new Error(`no form on ${page.url}: ${page.text.slice(0, 300)}`)
    const action = unescape(/\baction="([^"]*)"/.exec(form)?.[1] ?? page.url)
    const fields = new URLSearchParams()
    for (const [input] of form.matchAll(/<input\b[^>]*>/g)) {
      const name = /\bname="([^"]*)"/.exec(input)?.[1]
      if (name !== undefined && /type="hidden"/.test(input))
        fields.set(name, unescape(/\bvalue="([^"]*)"/.exec(input)?.[1] ?? ''))
    }
    for (const [name, value] of Object.entries(values)) fields.set(name, value)
    const target = new URL(action, page.url)
    const asked = {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(page.url).origin,
        'sec-fetch-site': 'same-origin',
      },
      body: fields.toString(),
    }
    return options.follow === false ? this.ask(target.href, asked) : this.visit(target.href, asked)
  }

  /** Visits an address, signs in at the user pool's page when it comes, and returns where that led. */
  async signIn(url: string, username = 'alice', password = 'Passw0rd!'): Promise<Reply> {
    const page = await this.visit(url)
    return this.submit(page, { username, password })
  }

  jarOf(host: string): Map<string, string> {
    const jar = this.cookies.get(host) ?? new Map<string, string>()
    this.cookies.set(host, jar)
    return jar
  }
}

/** As browsers do: every name under localhost is this machine, whatever the system knows. */
const lookupHere: LookupFunction = (host, options, found) =>
  lookup(
    host.endsWith('.localhost') ? 'localhost' : host,
    { ...options, family: host.endsWith('.localhost') ? 4 : (options.family ?? 0) },
    found,
  )

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
  const equals = pair.indexOf('=')
  const name = pair.slice(0, equals)
  const maxAge = attributes
    .map((attribute) => /^max-age=(-?\d+)$/i.exec(attribute)?.[1])
    .find((value) => value !== undefined)
  const expires = attributes
    .map((attribute) => /^expires=(.*)$/i.exec(attribute)?.[1])
    .find((value) => value !== undefined)
  const gone = maxAge === undefined ? expires !== undefined && Date.parse(expires) <= Date.now() : Number(maxAge) <= 0
  if (gone) jar.delete(name)
  else jar.set(name, pair.slice(equals + 1))
}

function unescape(text: string): string {
  return text
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
}
