import t from 'tap'
import { startWorld } from '../helpers/world.ts'

const world = await startWorld(t)
const { url } = world
const { host } = new URL(url)
const browser = world.client()
await browser.signIn(`${url}/`)

/** Where a sign-in with this `rd` ends: the Location of the last answer of ours. The user pool knows the person, so nothing is asked. */
async function endOf(query: string): Promise<string> {
  // So many sign-ins a minute would be a circle.
  browser.jarOf(host).delete('__Host-gateway-rounds')
  const start = await browser.ask(`${url}/oauth2/start?${query}`)
  const pool = await browser.ask(start.header('location') ?? '')
  const callback = await browser.ask(pool.header('location') ?? '')
  return callback.header('location') ?? `no redirect: ${callback.status}`
}

const hostile: Readonly<Record<string, string>> = {
  R01: 'https://evil.example',
  R02: 'http:evil.example',
  R03: '//evil.example',
  R04: '///evil.example',
  R05: '////evil.example/..',
  R06: '/\\evil.example',
  R07: '\\/evil.example',
  R08: '\\\\evil.example',
  R09: '/%09/evil.example',
  R10: '/\t/evil.example',
  R11: '/\n/evil.example',
  R12: '/\r/evil.example',
  R13: '/\v/evil.example',
  R14: '/ /evil.example',
  R15: '/%5cevil.example',
  R16: '/%2f%2fevil.example',
  R17: '/./\\evil.example',
  R18: '/.//evil.example',
  R19: '/../..//evil.example',
  R20: '/x/..//evil.example',
  R21: 'https:/evil.example',
  R22: 'https:///evil.example',
  R23: `https:evil.example@${host}`,
  R24: `https://${host}@evil.example`,
  R25: `https://${host}.evil.example`,
  R26: `https://evil.example/${host}`,
  R27: `https://evil.example?${host}`,
  R28: `https://evil.example#${host}`,
  R29: `http://${host}@evil.example`,
  R30: `http://${host}%2eevil.example`,
  R31: `http://${host}%00.evil.example`,
  R32: `http://${host}\\.evil.example`,
  R33: '//evil%E3%80%82example',
  R34: '〵evil.example',
  R34b: '／／evil.example',
  R35: 'javascript:alert(1)',
  R36: 'java\r\nscript:alert(1)',
  R37: 'data:text/html,x',
  R37b: 'vbscript:x',
  R38: 'http://0xd83ad6ce',
  R38b: 'http://[::ffff:1.2.3.4]',
  R39: '/path\r\nSet-Cookie:x=1',
  R39b: '/path%0d%0aSet-Cookie:x=1',
  R40: '/oauth2/start?rd=//evil.example',
  R41: '/oauth2/sign_out',
  R41b: '/oauth2/callback?code=x',
  R41c: '/OAUTH2/start',
  R42: ';@evil.example',
  R42b: '/;@evil.example',
  R42c: '////\\;@evil.example',
  R43: `http://${host.split(':')[0]}:8443/`,
  R44: `https://${host}/`,
  R45: `HTTP://${host.toUpperCase()}./`,
  R46: '<>//evil.example',
  R47: `/${'x'.repeat(2_100)}`,
}

t.test('R01 to R47 no return address leads off the site, into our own endpoints, or into a header', async (t) => {
  for (const [id, target] of Object.entries(hostile)) {
    for (const [how, value] of [
      ['raw', target],
      ['encoded once more', encodeURIComponent(target)],
    ] as const) {
      const end = await endOf(`rd=${encodeURIComponent(value)}`)
      t.match(end, /^\/(?![/\\])/, `${id} ${how} ends at a path`)
      const there = new URL(end, url)
      t.equal(there.origin, url, `${id} ${how} stays here`)
      t.notMatch(there.pathname.toLowerCase(), /^\/oauth2\//, `${id} ${how} is no endpoint of ours`)
      if (how === 'raw') t.equal(end, '/', `${id} falls back to the start page`)
    }
  }
})

t.test('R47 a return address of a megabyte is refused with the request', async (t) => {
  const answer = await browser.ask(`${url}/oauth2/start?rd=/${'x'.repeat(20_000)}`)
  t.equal(answer.status, 414)
})

t.test('R48 two return addresses are none', async (t) => {
  t.equal(await endOf('rd=/ok&rd=//evil.example'), '/')
  t.equal(await endOf('rd=/a&rd=/b'), '/')
  t.equal(await endOf('rd[]=//evil.example'), '/')
})

t.test('quotation marks, which would be two each in what is sealed, are no part of a return address', async (t) => {
  t.equal(await endOf(`rd=${encodeURIComponent(`/?${'"'.repeat(505)}`)}`), '/')
  t.equal(await endOf(`rd=${encodeURIComponent('/?q=%22x%22')}`), '/?q=%22x%22', 'as browsers write them they are')
})

t.test('R49 R50 ordinary addresses come back byte for byte', async (t) => {
  const good = [
    '/',
    '/a/b?c=d&e=%20',
    '/a%20b',
    '/%E6%97%A5%E6%9C%AC',
    '/?x=https://other.example/',
    '/ok?next=//evil.example',
    '/?',
    '/a?b=c?d',
    "/it's(fine)!*~",
  ]
  for (const path of good) t.equal(await endOf(`rd=${encodeURIComponent(path)}`), path, path)
  t.equal(await endOf(`rd=${encodeURIComponent(`${url}/a?b=c`)}`), '/a?b=c', 'an address of our own as a whole')
  t.equal(await endOf(`rd=${encodeURIComponent('/a?b#/part?x=//evil.example')}`), '/a?b#/part?x=//evil.example')
})

t.test('of our own addresses only the one that shows a kept form is come back to, as it is', async (t) => {
  for (const path of ['/oauth2/resume/', '/oauth2/RESUME', '/oauth2/resume?x', '/oauth2/sign_out', '/oauth2/%72esume'])
    t.equal(await endOf(`rd=${encodeURIComponent(path)}`), '/', path)
  t.equal(await endOf(`rd=${encodeURIComponent('/oauth2/resume#x')}`), '/oauth2/resume')
})

t.test('a page that asks for a sign-in comes back to itself, whatever its query holds', async (t) => {
  const fresh = world.client()
  const page = await fresh.visit(`${url}/search?q=a%26b&next=//evil.example&x=%E2%82%AC`)
  const landed = await fresh.submit(page, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, `${url}/search?q=a%26b&next=//evil.example&x=%E2%82%AC`)
})

t.test('the Referer of a program that is told to sign in is held to the same rule', async (t) => {
  for (const referer of ['https://evil.example/', `${url}@evil.example/`, '//evil.example']) {
    const answer = await world.client().ask(`${url}/api/x`, { headers: { referer } })
    t.equal(answer.json().signIn, `${url}/oauth2/start?rd=%2F`, referer)
  }
})
