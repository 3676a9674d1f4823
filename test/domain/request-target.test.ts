import fc from 'fast-check'
import t from 'tap'
import { foldPath, parseTarget } from '../../src/domain/request-target.ts'

const reason = (raw: string): string => {
  const target = parseTarget(raw)
  return target.ok ? `ok ${target.path}` : target.reason
}

t.test('what two readers could understand differently is refused, each with its reason', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['/public/../admin/x', 'dot_segment'],
    ['/..', 'dot_segment'],
    ['/./admin/x', 'dot_segment'],
    ['/admin/.', 'dot_segment'],
    ['/%2e/admin', 'dot_segment'],
    ['/a%2Eb', 'dot_segment'],
    ['/public/%252e', 'encoded_percent'],
    ['/%2561dmin', 'encoded_percent'],
    ['/\\admin', 'raw_backslash'],
    ['/%5cadmin', 'encoded_backslash'],
    ['/a%2fb', 'encoded_slash'],
    ['//admin', 'empty_segment'],
    ['/a//', 'empty_segment'],
    ['/admin;x=1', 'matrix_parameter'],
    ['/admin%3Bx', 'matrix_parameter'],
    ['/admin.', 'trailing_dot'],
    ['/admin./x', 'trailing_dot'],
    ['/x..', 'trailing_dot'],
    ['/admin%20', 'trailing_dot'],
    ['/admin%20/x', 'trailing_dot'],
    ['/admin::$DATA', 'stream_name'],
    ['/a%00', 'encoded_control'],
    ['/a%0d%0a', 'encoded_control'],
    ['/a%7f', 'encoded_control'],
    ['/a%c2%85', 'encoded_control'],
    ['/%c0%ae', 'bad_utf8'],
    ['/%ed%a0%80', 'bad_utf8'],
    ['/b%FCcher', 'bad_utf8'],
    ['/\xe4', 'control_character'],
    ['/a b', 'control_character'],
    ['/a\tb', 'control_character'],
    ['/a#b', 'fragment'],
    ['/a?b#c', 'fragment'],
    ['/a%23', 'encoded_reserved'],
    ['/a%3f', 'encoded_reserved'],
    ['/a%', 'bad_escape'],
    ['/a%4', 'bad_escape'],
    ['/a%zz', 'bad_escape'],
    ['/a<b>', 'raw_character'],
    ['', 'not_origin_form'],
    ['*', 'not_origin_form'],
    ['http://h/x', 'not_origin_form'],
    ['/a?\x7f', 'control_character'],
    [`/${'a'.repeat(8_192)}`, 'too_long'],
  ]
  for (const [raw, expected] of cases) t.equal(reason(raw), expected, JSON.stringify(raw).slice(0, 40))
})

t.test('P40 everything else is read once: decoded, normalised, in one letter case', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['/', '/'],
    ['/Admin', '/admin'],
    ['/%41dmin', '/admin'],
    ['/a%20b', '/a b'],
    ['/%E6%97%A5', '/日'],
    ['/%C3%84', '/ä'],
    ['/A%CC%88', '/ä'],
    ['/stra%C3%9Fe', '/strasse'],
    ['/%C5%BFecret', '/secret'],
    ['/%E2%84%AAey', '/key'],
    ['/[...slug]', '/[...slug]'],
    ['/a..b', '/a..b'],
    ['/..x', '/..x'],
    ['/a:b', '/a:b'],
    ['/@scope/x', '/@scope/x'],
    ['/~u/', '/~u/'],
    ['/a+b', '/a+b'],
    ['/%EF%BC%8F', '/／'],
    ['/a%2Cb%40c', '/a,b@c'],
  ]
  for (const [raw, path] of cases) {
    t.equal(reason(raw), `ok ${path}`, raw)
    const target = parseTarget(`${raw}?q={}|^\`"<>\\`)
    t.ok(target.ok && target.rawPath === raw && target.query === '?q={}|^`"<>\\', 'the bytes stay as they were sent')
  }
})

const pieces = [
  '/',
  '.',
  '..',
  '%2e',
  '%2F',
  '%5c',
  '\\',
  ';',
  '%3b',
  '%25',
  '%20',
  ' ',
  'a',
  'B',
  'admin',
  '%41',
  '%c3%a4',
  '%ff',
  '%',
  '#',
  '?',
  ':',
  '::',
  '@',
  '//',
  '%00',
  '%EF%BC%8F',
  '~',
  '+',
  '[',
  '\xe4',
  '%e2%84%aa',
]
const target = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => `/${parts.join('')}`)

t.test(
  'P41 whatever is not refused is what every careful reader sees, and is decided on exactly as decoded once',
  async (t) => {
    fc.assert(
      fc.property(target, (raw) => {
        const read = parseTarget(raw)
        if (!read.ok) return true
        const { rawPath, path, query } = read
        return (
          rawPath + query === raw &&
          new URL(rawPath, 'http://h').pathname === rawPath &&
          path === foldPath(decodeURIComponent(rawPath)) &&
          !/\/\.\.?(?:\/|$)|\/\/|[;\\#%\0]/.test(path)
        )
      }),
      { numRuns: 2_000 },
    )
    t.pass('2,000 targets')
  },
)

t.test('P38 a hostile size gets its verdict like any other', async (t) => {
  t.equal(reason(`/${'%25'.repeat(2_700)}`), 'encoded_percent')
  t.equal(reason('/..'.repeat(2_700)), 'dot_segment')
  t.equal(reason(`/${';'.repeat(8_000)}`), 'matrix_parameter')
  t.match(reason('/a'.repeat(4_000)), /^ok/)
  t.equal(reason(`/${'a'.repeat(1_000_000)}`), 'too_long')
})
