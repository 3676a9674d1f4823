import t from 'tap'
import { corsHeaders, preflightHeaders, preflightMethod } from '../../src/domain/cors.ts'

const preflight = { origin: 'https://one.example', 'access-control-request-method': 'PUT' }

t.test('A05 a preflight is what a browser sends as one, and nothing else', async (t) => {
  t.equal(preflightMethod('OPTIONS', preflight), 'PUT')
  t.equal(preflightMethod('OPTIONS', { ...preflight, 'content-length': '0' }), 'PUT')
  t.equal(preflightMethod('GET', preflight), null)
  t.equal(preflightMethod('options', preflight), null)
  t.equal(preflightMethod('OPTIONS', { origin: 'https://one.example' }), null)
  t.equal(preflightMethod('OPTIONS', { 'access-control-request-method': 'PUT' }), null)
  const strange = ['', 'put', 'PUT, GET', 'P UT', 'PUT\r\nX: y', 'P'.repeat(40)]
  for (const method of strange)
    t.equal(preflightMethod('OPTIONS', { ...preflight, 'access-control-request-method': method }), null, method)
  const more = [
    { cookie: 'a=b' },
    { authorization: 'Basic eDp5' },
    { upgrade: 'websocket' },
    { 'content-length': '1' },
    { 'transfer-encoding': 'chunked' },
  ]
  for (const headers of more)
    t.equal(preflightMethod('OPTIONS', { ...preflight, ...headers }), null, JSON.stringify(headers))
})

t.test('A06 an origin is allowed letter for letter, and never by *', async (t) => {
  const rule = (preflight: 'answer' | 'application' | 'refuse', credentials = true) => ({
    allowedOrigins: ['https://one.example'],
    cors: { preflight, credentials },
  })
  t.same(corsHeaders('https://one.example', rule('answer')), [
    ['vary', 'Origin'],
    ['access-control-allow-origin', 'https://one.example'],
    ['access-control-allow-credentials', 'true'],
  ])
  t.same(corsHeaders('https://one.example', rule('application', false)), [
    ['vary', 'Origin'],
    ['access-control-allow-origin', 'https://one.example'],
  ])
  t.same(corsHeaders('https://one.example', rule('refuse')), [])
  const others = ['null', '*', 'https://one.example.evil.example', 'https://oneXexample', 'http://one.example', '']
  for (const origin of [...others, 'https://ONE.example', 'https://one.example:443', 'https://one.example/', undefined])
    t.same(corsHeaders(origin, rule('answer')), [['vary', 'Origin']], String(origin))
})

t.test('an answer to a preflight repeats what was asked for only where that is names of headers', async (t) => {
  const rule = { allowedOrigins: ['https://one.example'], cors: { preflight: 'answer', credentials: false } } as const
  const asked = (names: string) =>
    new Map(preflightHeaders({ ...preflight, 'access-control-request-headers': names }, rule))
  t.equal(asked('content-type, x-a').get('access-control-allow-headers'), 'content-type, x-a')
  t.equal(asked('content-type').get('access-control-allow-methods'), 'PUT')
  for (const names of ['', 'a b', 'a,,b', '<script>', 'x'.repeat(3_000)])
    t.equal(asked(names).get('access-control-allow-headers'), undefined, names.slice(0, 9))
})
