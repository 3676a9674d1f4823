import t from 'tap'
import type { AskingProxy } from '../../src/domain/proxy-question.ts'
import { ask, askedBy, bytesOf, cookieLine } from '../helpers/questions.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld, type World } from '../helpers/world.ts'

/** Those that ask in different places; one gateway for each. */
const PROXIES = ['nginx', 'traefik', 'envoy'] as const
const worlds = new Map<AskingProxy, World>()
for (const proxy of PROXIES) worlds.set(proxy, await startWorld(t, { settings: askedBy(proxy) }))
const worldOf = (proxy: AskingProxy): World => {
  const world = worlds.get(proxy)
  if (world === undefined) throw new Error(`no gateway for ${proxy}`)
  return world
}

t.test('H25 who is not in trustedProxies gets no answer to a question, on this machine neither', async (t) => {
  const trustedProxies = [
    { cidr: '192.0.2.0/24', headers: ['for'] },
    { cidr: '198.51.100.0/24', proxyProtocol: true },
  ]
  const world = await startWorld(t, { settings: { ...askedBy('envoy'), trustedProxies } })
  const answer = await ask(world, 'envoy', { target: '/public/x' })
  t.equal(answer.status, 403)
  t.equal(answer.header('x-gateway-code'), 'GW_FORBIDDEN')
  t.match(await world.metrics(), 'requests_refused_total{reason="proxy_untrusted"} 1')
})

t.test('P30 a proxy is heard in its one place only: what its client says elsewhere changes nothing', async (t) => {
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    const foreign = ['X-Original-URL: /public/x', 'X-Rewrite-URL: /public/x', 'X-Override-URL: /public/x']
    if (proxy === 'nginx' || proxy === 'envoy')
      foreign.push('X-Forwarded-Uri: /public/x', 'X-Forwarded-Method: GET', 'X-Forwarded-Host: localhost')
    else foreign.push('X-Original-URI: /public/x', 'X-Original-Method: GET')
    t.equal((await ask(world, proxy, { target: '/page', headers: foreign })).status, 401, proxy)
  }
})

t.test('H03 H26 a question that is told twice, in any spelling, is refused', async (t) => {
  const places = {
    nginx: ['X-Original-URI', 'X-Original-Method', 'Host'],
    traefik: ['X-Forwarded-Uri', 'X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Proto'],
    envoy: ['Host'],
  } as const
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    for (const name of places[proxy]) {
      for (const spelling of [name, name.toLowerCase(), name.replaceAll('-', '_'), name.replaceAll('-', '.')]) {
        if (name === 'Host' && spelling.toLowerCase() !== 'host') continue
        const value = /method/i.test(name)
          ? 'GET'
          : /proto/i.test(name)
            ? 'http'
            : /uri/i.test(name)
              ? '/public/x'
              : 'localhost'
        const answer = await ask(world, proxy, { target: '/public/x', headers: [`${spelling}: ${value}`] })
        t.equal(answer.status, 400, `${proxy} ${spelling}`)
      }
    }
  }
})

t.test('a question that lacks a part is refused, whatever the rest says', async (t) => {
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    const whole = bytesOf(proxy, { target: '/public/x' })
    t.ok((await ask(world, proxy, whole)).status < 300)
    const parts = whole.match(
      proxy === 'nginx'
        ? /^(?:X-Original-\w+|Host): .*\r\n/gim
        : proxy === 'envoy'
          ? /^Host: .*\r\n/gim
          : /^X-Forwarded-(?:Uri|Method|Host|Proto): .*\r\n/gim,
    )
    t.equal(parts?.length, { nginx: 3, envoy: 1 }[proxy as string] ?? 4)
    for (const part of parts ?? []) {
      const name = part.split(':', 1)[0] ?? ''
      for (const less of [
        whole.replace(part, ''),
        whole.replace(part, `${name}:\r\n`),
        whole.replace(part, `X-${part}`),
      ])
        t.equal((await ask(world, proxy, less)).status, 400, `${proxy} without ${name}`)
    }
  }
})

t.test('P01 P02 P26 P29 what is asked about is guarded like every request', async (t) => {
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    const refused = proxy === 'nginx' ? 403 : 400
    for (const target of [
      '/public/../admin',
      '/public/%2e%2e/admin/x',
      '/public/..%2fadmin',
      '/public//x',
      '/public\\..\\x',
    ])
      t.equal((await ask(world, proxy, { target })).status, refused, `${proxy} ${target}`)
    if (proxy === 'envoy') continue
    for (const target of ['http://localhost/public/x', '//localhost/public/x', 'public/x', '*', '/public/x /y'])
      t.equal((await ask(world, proxy, { target })).status, refused, `${proxy} ${target}`)
    for (const method of ['get', 'Get', 'CONNECT', 'GET, POST', 'NONSENSE'])
      t.equal((await ask(world, proxy, { target: '/public/x', method })).status, 400, `${proxy} ${method}`)
  }
  const world = worldOf('traefik')
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1'])
    t.equal((await ask(world, 'traefik', { target: '/public/x', host })).status, 421, host)
  for (const host of ['localhost, evil.example', 'localhost@evil.example', 'local host'])
    t.equal((await ask(world, 'traefik', { target: '/public/x', host })).status, 400, host)
  t.equal((await ask(world, 'traefik', { target: '/public/x', host: 'LOCALHOST.:8080' })).status, 202)
})

t.test('a question with a body is refused, and its body is not taken for the next question', async (t) => {
  const world = worldOf('nginx')
  const smuggled = bytesOf('nginx', { target: '/public/smuggled' })
  for (const framing of [`Content-Length: ${smuggled.length}`, 'Transfer-Encoding: chunked']) {
    const bytes = bytesOf('nginx', { target: '/public/x', headers: [framing] })
    const answer = await sendRaw(world.gateway.forwardAuthPort ?? 0, bytes + smuggled, { waitForClose: true })
    t.equal(answer.status, 400, framing)
    t.notMatch(answer.text, 'HTTP/1.1 2')
  }
  t.equal(
    (await ask(world, 'nginx', { target: '/form', method: 'POST', headers: ['Content-Length: 0'] })).status,
    401,
    'a length of 0 is none',
  )
})

t.test('A10 nothing but a permit is ever 2xx at the listener for proxies', async (t) => {
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    const cookie = await cookieLine(world, 'bob')
    const lines = bytesOf(proxy, { target: '/admin/x', headers: [cookie] })
      .split('\r\n')
      .slice(1)
      .join('\r\n')
    const addresses = [
      'GET / ',
      'GET /oauth2/ping ',
      'GET /oauth2/userinfo ',
      'GET /oauth2/auth/../ping ',
      'GET /oauth2/authx ',
      'GET /OAUTH2/auth ',
      'GET /oauth2/auth? ',
      'GET /oauth2/auth?redirect=false ',
      'GET /oauth2/auth?redirect=true&x=1 ',
      'GET /-/refused ',
      'GET http://localhost/oauth2/auth ',
      'OPTIONS * ',
      'HEAD /oauth2/auth ',
      'POST /oauth2/auth ',
      'OPTIONS /oauth2/auth ',
      'GET /oauth2/auth ',
    ]
    for (const address of addresses) {
      const { status, text } = await ask(world, proxy, `${address}HTTP/1.1\r\nConnection: close\r\n${lines}`)
      t.ok(status >= 400, `${proxy} ${address}${status}`)
      t.notMatch(text, /x-forwarded-user/i)
    }
  }
})
