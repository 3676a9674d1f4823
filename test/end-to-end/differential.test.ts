import fc from 'fast-check'
import t from 'tap'
import { PATH_WORDS } from '../../src/domain/path-readings.ts'
import { foldPath, parseTarget } from '../../src/domain/request-target.ts'
import { corpusFor } from '../attacks/corpus.ts'
import { openRawConnection } from '../helpers/raw-http.ts'
import { webServers } from '../helpers/web-servers.ts'
import { startWorld } from '../helpers/world.ts'

const utf8 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8')

/** What the gateway lets through of the corpus, and of random targets made of what is unusual but clear. */
function acceptedTargets(): readonly string[] {
  const pieces = [
    '/',
    'a',
    'B',
    '%41',
    '%20x',
    '.x',
    '..x',
    '%E6%97%A5',
    '%C3%9F',
    'e%CC%81',
    '%EF%BC%8F',
    '+',
    '~',
    '@',
    ':',
    '=',
    '&',
    '%26',
    '%2B',
    '%3A',
    '%2C',
    '[',
    '!',
    "'",
    '%22',
    '%7C',
    '%C5%BF',
    '?',
    '%2F',
    '%2E',
    '//',
    ';',
  ]
  const random = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => `/${parts.join('')}`)
  const corpus = corpusFor('localhost').flatMap(({ targets }) => targets)
  return [...corpus, ...fc.sample(random, { numRuns: 1_500, seed: 1 })].filter((target) => {
    const parsed = parseTarget(target)
    return parsed.ok && !/^\/oauth2(?:\/|$)/.test(parsed.path)
  })
}

for (const { name, skip, start } of webServers) {
  t.test(`${name} understands what passes as the very path that the rule was decided on`, { skip }, async (t) => {
    const { url: upstream } = await start(t)
    const { port } = await startWorld(t, {
      upstream,
      settings: { applications: { all: { upstream, access: 'public' } } },
    })
    const connection = openRawConnection(t, port)
    const targets = acceptedTargets()
    const others: string[] = []
    for (const target of targets) {
      const parsed = parseTarget(target)
      const answer = await connection.send(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const path = answer.header('x-path')
      if (path === undefined || !parsed.ok || foldPath(utf8(path)) !== parsed.path)
        others.push(`${target.slice(0, 100)}: ${answer.status} ${path}`)
    }
    t.same(others, [])
    t.ok(targets.length > 300, `${targets.length} targets`)
  })

  t.test(`${name} understands what an application allows as a path of the same route`, { skip }, async (t) => {
    const { url: upstream } = await start(t)
    const open = { upstream, access: 'public' }
    const { port, log } = await startWorld(t, {
      upstream,
      settings: {
        applications: {
          main: {
            ...open,
            allowInPath: PATH_WORDS,
            routes: { admin: { path: '/admin/*' }, public: { path: '/public/*' } },
          },
        },
      },
    })
    const connection = openRawConnection(t, port)
    const pieces = [
      '/',
      '/public',
      '/admin',
      'admin',
      '%2F',
      '%252F',
      ';x',
      '%3B',
      '//',
      '.',
      '%20',
      '%3F',
      '%23',
      'x',
      '%61',
    ]
    const random = fc
      .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 })
      .map((parts) => `/${parts.join('')}`)
    let passed = 0
    for (const target of new Set(fc.sample(random, { numRuns: 1_500, seed: 1 }))) {
      log.length = 0
      const answer = await connection.send(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const path = answer.header('x-path')
      if (answer.status === 400 || path === undefined) continue
      passed += 1
      const expected = /^\/(admin|public)(?:\/|$)/.exec(foldPath(utf8(path)))?.[1]
      const { route } = JSON.parse(log.findLast((line) => line.includes('"event":"request"')) ?? '{}') as {
        route?: string
      }
      if (route !== (expected === undefined ? 'main' : `main/${expected}`))
        t.fail(`${target} was ruled by ${route}, and is ${path}`)
    }
    t.ok(passed > 100, `${passed} targets passed`)
  })
}
