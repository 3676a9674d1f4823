import t from 'tap'
import { claimOf, KEPT_FORM_LIFE_MS, parseFormBody, type KeptForm } from '../../src/domain/kept-form.ts'
import { parseReturnTo } from '../../src/domain/return-to.ts'

const publicUrl = 'https://app.example.com'
const self = { publicUrl, origins: new Set([publicUrl]), ownPrefix: '/oauth2', lenientPaths: false }
const form: KeptForm = {
  pool: 'staff',
  subject: 'sub-alice',
  host: 'app.example.com',
  method: 'POST',
  path: parseReturnTo('/form', self),
  body: 'a=1',
  keptAt: 1_000_000,
}
const alice = { pool: 'staff', subject: 'sub-alice', host: 'app.example.com' }

t.test('a kept form is for the same person of the same pool, at the same host, for ten minutes', (t) => {
  t.equal(claimOf(form, alice, form.keptAt + KEPT_FORM_LIFE_MS - 1), 'theirs')
  t.equal(claimOf(form, alice, form.keptAt + KEPT_FORM_LIFE_MS), 'expired')
  for (const other of [{ subject: 'sub-bob' }, { pool: 'partners' }, { host: 'other.example.com' }, { host: null }])
    t.equal(claimOf(form, { ...alice, ...other }, form.keptAt), 'someone-else', JSON.stringify(other))
  t.end()
})

t.test('fields are read in their order, doubled and empty ones too', (t) => {
  const cases: readonly (readonly [string, readonly (readonly string[])[]])[] = [
    ['', []],
    [
      'a=1&b=2&a=3',
      [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ],
    ],
    [
      'a=&=b&c',
      [
        ['a', ''],
        ['', 'b'],
        ['c', ''],
      ],
    ],
    ['a+b=c+%2B%26%3D', [['a b', 'c +&=']]],
    ['x=1=2', [['x', '1=2']]],
    ['n=%E2%82%AC%0D%0A', [['n', '€\r\n']]],
    ['p=100%', [['p', '100%']]],
  ]
  for (const [body, fields] of cases) t.same(parseFormBody(body), { charset: 'utf-8', fields }, body)
  t.end()
})

t.test('what is not UTF-8 is read as windows-1252, in which every byte is one character', (t) => {
  const bytes = Array.from({ length: 255 }, (_, at) => at + 1)
  const body = `a=${bytes.map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`
  const read = parseFormBody(body)
  t.equal(read?.charset, 'windows-1252')
  const text = read?.fields[0]?.[1] ?? ''
  t.equal(new Set(text).size, 255)
  t.equal(text.slice(0x7f, 0x9f), '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ')
  t.same(parseFormBody('a=%FC&b=%C3%BC'), {
    charset: 'windows-1252',
    fields: [
      ['a', 'ü'],
      ['b', 'Ã¼'],
    ],
  })
  t.end()
})

t.test('what no form of ours could write again is none', (t) => {
  for (const body of ['a=%00', '%00=1', 'a=ü', 'a=1\r\n', 'a b', '&'.repeat(1_000)])
    t.equal(parseFormBody(body), null, body.slice(0, 9))
  t.end()
})
