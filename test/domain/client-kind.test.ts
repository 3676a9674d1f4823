import t from 'tap'
import { clientKind, isCrossOrigin, isUpgrade } from '../../src/domain/client-kind.ts'

t.test('who reads the answer is told by Fetch Metadata, else by Accept', async (t) => {
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ 'sec-fetch-dest': 'document', accept: 'text/html' }, 'page'],
    [{ 'sec-fetch-dest': 'iframe', accept: 'text/html' }, 'frame'],
    [{ 'sec-fetch-dest': 'empty', accept: '*/*' }, 'program'],
    [{ 'sec-fetch-dest': 'image' }, 'program'],
    [{ 'sec-fetch-dest': 'document', 'sec-purpose': 'prefetch' }, 'program'],
    [{ accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, 'page'],
    [{ accept: '*/*' }, 'program'],
    [{ accept: 'application/json, text/html' }, 'program'],
    [{ accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' }, 'program'],
    [{}, 'program'],
    [{ connection: 'Upgrade', upgrade: 'websocket', 'sec-fetch-dest': 'document' }, 'program'],
  ]
  for (const [headers, expected] of cases) t.equal(clientKind(headers), expected, JSON.stringify(headers))
})

t.test('an upgrade needs both headers', async (t) => {
  t.ok(isUpgrade({ connection: 'keep-alive, Upgrade', upgrade: 'WebSocket' }))
  t.notOk(isUpgrade({ upgrade: 'websocket' }))
  t.notOk(isUpgrade({ connection: 'Upgrade', upgrade: 'h2c' }))
})

t.test('C21 a request by cookie that changes something must come from the application itself', async (t) => {
  const allowed = ['https://app.example']
  const foreign = (method: string, headers: Record<string, string>, upgrade = false): boolean =>
    isCrossOrigin(headers, { method, upgrade, allowed })
  t.notOk(foreign('GET', { origin: 'https://evil.example' }), 'reading is not changing')
  t.ok(foreign('POST', { origin: 'https://evil.example' }))
  t.ok(foreign('POST', { origin: 'null' }))
  t.ok(foreign('POST', { origin: 'https://app.example.evil.example' }))
  t.ok(foreign('POST', { origin: 'http://app.example' }), 'another scheme is another origin')
  t.notOk(foreign('POST', { origin: 'https://app.example' }))
  t.notOk(foreign('DELETE', {}), 'no browser sends this without Origin')
  t.notOk(foreign('POST', { 'sec-fetch-site': 'same-origin' }))
  t.notOk(foreign('POST', { 'sec-fetch-site': 'none' }))
  t.ok(foreign('POST', { 'sec-fetch-site': 'same-site' }))
  t.ok(foreign('POST', { 'sec-fetch-site': 'cross-site' }))
  t.ok(foreign('GET', {}, true), 'an upgrade by cookie needs an Origin')
  t.notOk(foreign('GET', { origin: 'https://app.example' }, true))
})
