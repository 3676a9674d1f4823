import t from 'tap'
import { Memo } from '../../src/domain/memo.ts'

const textOf = (nth: number): string => `${'x'.repeat(2_000)}${String(nth).padStart(32, '0')}`

t.test('a text is known by all of it, not by its end', async (t) => {
  const memo = new Memo<number>(10)
  const end = 'e'.repeat(32)
  memo.set(`one${end}`, 1)
  t.equal(memo.get(`one${end}`), 1)
  t.equal(memo.get(`two${end}`), null)
  t.equal(memo.get(end), null)
  t.equal(memo.get(''), null)
  t.equal(memo.likely(`two${end}`), `one${end}`)
  memo.set(`two${end}`, 2)
  t.equal(memo.get(`one${end}`), null, 'of two that end alike the later one')
  t.equal(memo.get(`two${end}`), 2)
})

t.test('at least as many as it is made for are remembered, and at most twice as many', async (t) => {
  const memo = new Memo<number>(100)
  for (let nth = 0; nth < 1_000; nth += 1) {
    memo.set(textOf(nth), nth)
    memo.get(textOf(0))
  }
  // The newest first: asking is using, too.
  const known = Array.from({ length: 1_000 }, (_, age) => 999 - age).filter((nth) => memo.get(textOf(nth)) === nth)
  t.same(
    known.slice(0, 99),
    Array.from({ length: 99 }, (_, age) => 999 - age),
  )
  t.ok(known.includes(0), 'what is used again and again stays')
  t.ok(known.length <= 200)
})
