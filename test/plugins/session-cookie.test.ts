import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { createLoginBook } from '../../src/adapters/login-book.ts'
import { createMetrics } from '../../src/adapters/metrics.ts'
import { newIds, type SessionStore } from '../../src/adapters/session-store.ts'
import type { Session } from '../../src/domain/session.ts'
import { createSites } from '../../src/domain/site.ts'
import { MAX_SESSION_TEXT_BYTES, sessionCookie } from '../../src/plugins/session-cookie.ts'
import { alice } from '../helpers/people.ts'

const { main } = createSites({
  publicUrl: 'https://app.example.com',
  hosts: [],
  defaultPool: 'staff',
  callbackOn: 'publicUrl',
})

const session: Session = {
  id: 's1',
  person: alice(),
  startedAt: Date.now(),
  seenAt: Date.now(),
  claimsAt: Date.now(),
  accessExpiresAt: Date.now() + 3_600_000,
  refreshToken: undefined,
}

/** A server whose store hands out texts of any length, and says which text came back. */
async function startServer(t: { teardown(fn: () => unknown): unknown }) {
  const app = Fastify()
  const texts = { toWrite: '', read: null as string | null }
  await app.register(
    fp(
      (scope, _options, done) => {
        scope.decorateRequest('route', null)
        scope.decorateRequest('access', 'public')
        scope.decorateRequest('site', { getter: () => main })
        done()
      },
      { name: 'locate' },
    ),
  )
  await app.register(fp((_scope, _options, done) => done(), { name: 'bearer' }))
  const store: SessionStore = {
    read: (text) => {
      texts.read = text
      return { session, oldKey: false }
    },
    newIds,
    check: () => undefined,
    create: () => texts.toWrite,
    write: () => texts.toWrite,
    end: async () => undefined,
    lapse: async () => undefined,
    lastKnown: () => null,
    lend: () => null,
    leftover: () => undefined,
  }
  await app.register(sessionCookie, {
    stores: { at: () => store },
    book: createLoginBook({ now: Date.now, onCookieSeen: () => undefined }),
    metrics: createMetrics(),
    now: Date.now,
    maxAgeSeconds: 3_600,
  })
  app.route({
    method: 'GET',
    url: '/set',
    config: { access: 'public' },
    handler: async (request) => String(await app.keepSession(request, session)),
  })
  app.get('/', { config: { access: 'public' } }, async () => 'ok')
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => app.close())
  const { port } = app.server.address() as AddressInfo
  const ask = async (path: string, cookie = '') => fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie } })
  return { texts, ask }
}

t.test(
  'C13 a text that fills its cookies to the last byte, or by one byte less or more, comes back whole',
  async (t) => {
    const { texts, ask } = await startServer(t)
    const half = MAX_SESSION_TEXT_BYTES / 2
    for (const length of [1, half - 1, half, half + 1, 2 * half - 1, 2 * half]) {
      texts.toWrite = 'x'.repeat(length - 1) + 'y'
      const before = '__Host-gateway=old; __Host-gateway.1=old'
      const lines = (await ask('/set', before)).headers.getSetCookie()
      const kept = lines.filter((line) => !/Max-Age=0;/.test(line)).map((line) => line.slice(0, line.indexOf(';')))
      t.equal(lines.length, 2, 'what a longer value left behind goes in the same answer')
      t.equal(kept.length, length > half ? 2 : 1, `${length} bytes`)
      t.ok(kept.every((pair) => pair.length <= 4_096))
      await ask('/', kept.join('; '))
      t.equal(texts.read, texts.toWrite)
    }
  },
)
