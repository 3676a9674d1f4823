import fc from 'fast-check'
import t from 'tap'
import { PATH_WORDS, readingsOf } from '../../src/domain/path-readings.ts'
import { foldPath, parseTarget } from '../../src/domain/request-target.ts'
import { openRawConnection } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

/** How many targets are tried; `npm run nightly -- property` tries many more. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 2_000)
const PROGRESS = 10_000

const names = ['admin', 'public', 'legacy', 'secret', 'opaque', 'oauth2', 'a', 'ü', 'x', '日']
const delimiters = [
  '/',
  '/',
  '/',
  '//',
  '.',
  '..',
  ';',
  ';v=1',
  '?',
  '#',
  '\\',
  ':',
  '::',
  '%',
  '|',
  ' ',
  '@',
  '~',
  '+',
  '-',
]

/** How a piece may be hidden: percent-encoded never, in part, wholly, twice, three times, overlong, or by IIS's own escape. */
const disguises: readonly ((piece: string) => string)[] = [
  (piece) => piece,
  (piece) => piece.toUpperCase(),
  (piece) => encodeURIComponent(piece),
  escaped,
  (piece) => escaped(piece).replace(/%../, (one) => String.fromCharCode(Number.parseInt(one.slice(1), 16))),
  (piece) => escaped(piece).replaceAll('%', '%25'),
  (piece) => escaped(piece).replaceAll('%', '%2525'),
  (piece) => escaped(escaped(piece)),
  (piece) => escaped(piece).toLowerCase(),
  (piece) => piece.replaceAll(/[./\\]/g, (one) => `%C0%${(0x80 | (one.charCodeAt(0) & 0x3f)).toString(16)}`),
  (piece) => piece.replaceAll(/[./\\]/g, (one) => `%u00${one.charCodeAt(0).toString(16)}`),
  (piece) => piece.replaceAll(/[\x80-\xff]/g, (one) => `%${one.charCodeAt(0).toString(16)}`),
]

function escaped(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

const odd = [
  '%00',
  '%0a',
  '%7f',
  '%85',
  '%c2%85',
  '%ff',
  '%ed%a0%80',
  '%EF%BC%8F',
  '%e2%80%8b',
  '%CD%BE',
  '%zz',
  '%2',
  '\xe9',
  '%20',
  '.%20',
]
const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('/', '/admin', '/public/', '/legacy/', '/opaque/', '/legacy/secret/', '/x', 'x'),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...names, ...delimiters), fc.constantFrom(...disguises))
      .map(([text, disguise]) => disguise(text)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...odd) },
)
const target = fc
  .tuple(
    fc.constantFrom('/', '/', '/', '/legacy/', '/opaque/', '/public/', '/oauth2/', ''),
    fc.array(piece, { maxLength: 7 }),
  )
  .map(([start, pieces]) => start + pieces.join(''))
  // Sent as bytes on a request line: what is beyond Latin-1 is sent as UTF-8; spaces at the ends belong to the line.
  .map((text) => text.replaceAll(/[^\0-\xff]/g, (one) => Buffer.from(one).toString('latin1')).trim())

/** The routes of the world below, as a reader who knows nothing of ours would tell them apart. */
function routeOf(path: string): string {
  const [first = '', second = ''] = path.slice(1).split('/')
  if (first === 'admin') return 'main/admin'
  if (first === 'public') return 'main/public'
  if (first === 'opaque') return 'opaque'
  if (first === 'legacy') return second === 'secret' ? 'legacy/secret' : 'legacy'
  return first === 'oauth2' ? 'gateway' : 'main'
}

const steps: readonly ((path: string) => string)[] = [
  unescaped,
  unescaped,
  (path) => path.replaceAll(/;[^/]*/g, ''),
  (path) => path.split(';', 1)[0] ?? '',
  (path) => path.split(/[?#]/, 1)[0] ?? '',
  (path) => path.replaceAll(/[. ]+(?=\/|$)/g, ''),
  (path) => (path.startsWith('//') && URL.canParse(path, 'http://h') ? new URL(path, 'http://h').pathname : path),
  (path) => path.replaceAll(/\/+/g, '/'),
]

/** Percent-escapes as UTF-8 where they are, and as Latin-1 where not. */
function unescaped(path: string): string {
  return path.replaceAll(/(?:%[\da-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    }
  })
}

/** What servers of many kinds would take the path for: every choice of the steps above. */
function understood(rawPath: string): readonly string[] {
  const readers = Array.from({ length: 2 ** steps.length }, (_, choice) => steps.filter((_, at) => (choice >> at) & 1))
  // Nobody takes an escaped letter for anything but that letter, or strict paths would be refused for it too.
  const sent = rawPath.replaceAll(/(?:%(?!2[35f]|3[bf]|5c)[\da-f]{2})+/gi, unescaped)
  return readers.map((chosen) => foldPath(chosen.reduce((path, step) => step(path), sent)))
}

t.test(
  `P41: of ${RUNS} targets, what passes arrives as sent and is the path that the rule was decided on`,
  async (t) => {
    const upstream = '%UPSTREAM%'
    const open = { upstream, access: 'public' }
    const { port, application, log } = await startWorld(t, {
      settings: {
        applications: {
          main: { ...open, routes: { admin: { path: '/admin/*' }, public: { path: '/public/*' } } },
          legacy: {
            ...open,
            path: '/legacy',
            allowInPath: PATH_WORDS,
            routes: { secret: { path: '/legacy/secret/*' } },
          },
          opaque: { ...open, path: '/opaque', paths: 'opaque' },
        },
      },
    })
    const connection = openRawConnection(t, port)
    const came = { strict: 0, legacy: 0, opaque: 0, own: 0, refused: 0 }

    async function holds(raw: string): Promise<void> {
      application.seen.length = 0
      log.length = 0
      const { status } = await connection.send(`GET ${raw} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const arrived = application.seen.map((request) => request.url)
      if (arrived.length === 0) {
        came[status === 404 ? 'own' : 'refused'] += 1
        if (status !== 400 && status !== 404) throw new Error(`answered with ${status}`)
        return
      }
      if (arrived.length !== 1 || arrived[0] !== raw) throw new Error(`arrived as ${arrived.join(' and ')}`)
      const { route = '' } = JSON.parse(log.findLast((line) => line.includes('"event":"request"')) ?? '{}') as {
        route?: string
      }
      came[checkPassed(raw, route)] += 1
    }

    function checkPassed(raw: string, route: string): 'strict' | 'legacy' | 'opaque' {
      const rawPath = raw.split('?', 1)[0] ?? ''
      const parsed = parseTarget(raw)
      if (parsed.ok) {
        if (parsed.path !== foldPath(decodeURIComponent(rawPath))) throw new Error(`was ruled as ${parsed.path}`)
        if (new URL(rawPath, 'http://h').pathname !== rawPath) throw new Error('is another path to a browser')
        if (route !== routeOf(parsed.path)) throw new Error(`was ruled by ${route}`)
        return 'strict'
      }
      if (!readingsOf(rawPath).ok) throw new Error('has no readings')
      for (const path of understood(rawPath)) {
        if (/\/\.\.?(?:\/|$)|[\0-\x1f]/.test(path)) throw new Error(`is ${path} to some`)
        if (routeOf(path) !== route) throw new Error(`was ruled by ${route}, and is ${path} to some`)
      }
      if (route === 'opaque') return 'opaque'
      if (!route.startsWith('legacy')) throw new Error(`was let through by ${route}`)
      return 'legacy'
    }

    let tried = 0
    await fc.assert(
      fc.asyncProperty(target, async (raw) => {
        await holds(raw)
        tried += 1
        if (RUNS > PROGRESS && tried % PROGRESS === 0)
          console.error(`${tried} of ${RUNS} targets: ${JSON.stringify(came)}`)
      }),
      { numRuns: RUNS },
    )
    t.comment(JSON.stringify(came))
    for (const [kind, count] of Object.entries(came)) t.ok(count > RUNS / 500, `${kind}: ${count}`)
  },
)
