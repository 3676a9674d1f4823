import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createAuthority } from '../helpers/certificates.ts'
import { startWorld } from '../helpers/world.ts'

t.test(
  'an https application is verified: with its authority it answers, without it nothing of it is shown',
  async (t) => {
    const { caFile, issue } = createAuthority(t)
    const { certFile, keyFile } = issue('app', { names: 'DNS:localhost' })
    const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (request, response) =>
      response.end(`secret of ${request.headers.host}`),
    )
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const url = `https://localhost:${(server.address() as AddressInfo).port}`
    const world = await startWorld(t, {
      settings: {
        applications: {
          trusted: { path: '/trusted', access: 'public', upstream: { url, caFile } },
          unknown: { path: '/unknown', access: 'public', upstream: url },
        },
      },
    })
    const trusted = await world.client().ask(`${world.url}/trusted/`)
    t.equal(trusted.status, 200)
    t.equal(trusted.text, `secret of localhost:${world.port}`)
    const unknown = await world.client().ask(`${world.url}/unknown/`)
    t.equal(unknown.status, 502)
    t.equal(unknown.header('x-gateway-code'), 'GW_UPSTREAM_UNREACHABLE')
    t.notMatch(unknown.text, /secret/)
    t.match(await world.metrics(), 'upstream_errors_total{route="unknown",reason="certificate"} 1')
  },
)

t.test('the metrics tell the connections to each application, and whether it is asked at all', async (t) => {
  const world = await startWorld(t, {
    answer: (_request, response) => response.destroy(),
    settings: {
      applications: {
        sample: { access: 'public', upstream: { url: '%UPSTREAM%', breaker: { failures: 2, openSeconds: 5 } } },
      },
    },
  })
  const upstream = `127.0.0.1:${world.application.port}`
  t.match(await world.metrics(), `circuit_open{target="${upstream}"} 0`)
  const statuses = []
  for (let nth = 0; nth < 3; nth += 1) {
    const answer = await world.client().ask(`${world.url}/`)
    statuses.push([answer.status, answer.header('retry-after')])
  }
  t.same(statuses, [
    [502, undefined],
    [502, undefined],
    [502, '5'],
  ])
  t.equal(world.application.seen.length, 2)
  const metrics = await world.metrics()
  t.match(metrics, `circuit_open{target="${upstream}"} 1`)
  t.match(metrics, `upstream_connections{upstream="${upstream}",state="idle"} 0`)
  t.match(metrics, `upstream_connections{upstream="${upstream}",state="busy"} 0`)
  t.ok(world.log.some((line) => line.includes('"event":"circuit_opened"') && line.includes(upstream)))
})
