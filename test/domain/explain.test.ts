import t from 'tap'
import { explain, type Caller, type RuledRoute } from '../../src/domain/explain.ts'
import { ownEndpoints } from '../../src/domain/own-endpoints.ts'
import { parseTarget } from '../../src/domain/request-target.ts'
import { buildRouteTable } from '../../src/domain/route-table.ts'
import { alice } from '../helpers/people.ts'

const route = (name: string, host: string, more: Partial<RuledRoute>): RuledRoute => ({
  name,
  application: name,
  hosts: [host],
  path: '/*',
  methods: null,
  access: 'signedIn',
  pool: 'staff',
  paths: 'strict',
  allowInPath: [],
  allowedOrigins: [],
  cors: { preflight: 'refuse', credentials: false },
  methodOverride: 'drop',
  webSocket: { allow: true },
  ...more,
})

t.test(
  'A12 the rule of the host that is asked decides, whatever a session lets its person do on another',
  async (t) => {
    const routes = [
      route('wiki', 'wiki.example.com', { access: [{ groups: ['ops'] }] }),
      route('pay', 'pay.example.com', { access: [{ groups: ['finance'] }] }),
      route('site', 'site.example.com', { access: 'public' }),
      route('partners', 'partners.example.com', { pool: 'partners' }),
    ]
    const served = {
      table: buildRouteTable(routes),
      ownPrefix: '/oauth2',
      ownEndpointAt: ownEndpoints({ prefix: '/oauth2', ping: '/oauth2/ping', callbacks: ['/oauth2/callback'] }),
      methods: new Set(['GET']),
      sites: new Map([['wiki.example.com', { origin: 'https://wiki.example.com', pool: 'staff' }]]),
    }
    const outcome = (host: string, target = '/x'): string => {
      const { verdict, code, reason } = explain(served, {
        host,
        method: 'GET',
        target: parseTarget(target),
        headers: {},
        rawHeaders: [],
        callerAt: (): Caller => ({ identity: alice(), credentials: null }),
        address: '',
        now: 0,
      })
      return code === null ? verdict : `${code} ${reason}`
    }
    t.equal(outcome('wiki.example.com'), 'allowed')
    t.equal(outcome('pay.example.com'), 'GW_FORBIDDEN group_missing')
    t.equal(outcome('site.example.com'), 'allowed')
    t.equal(outcome('partners.example.com'), 'GW_FORBIDDEN foreign_pool')
    t.equal(outcome('else.example.com'), 'GW_HOST_UNKNOWN host_unknown')
    t.equal(outcome('pay.example.com', '/oauth2/userinfo'), 'GW_HOST_UNKNOWN host_unknown')
  },
)
