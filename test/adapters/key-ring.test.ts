import { createHash, randomBytes } from 'node:crypto'
import secureSession from '@fastify/secure-session'
import Fastify from 'fastify'
import t from 'tap'
import { createKeyRing, keySlots } from '../../src/adapters/key-ring.ts'

const [one, two, three] = [randomBytes(32), randomBytes(32), randomBytes(32)]
const at = (place: string, key: Buffer) => ({ place, key })

/** The keys as a follower has them. */
function followed(ring: ReturnType<typeof createKeyRing>) {
  let now: readonly Buffer[] = []
  ring.follow((keys) => {
    now = keys
  })
  return () => now
}

t.test('who follows has the keys at once and after every change, in order', async (t) => {
  const ring = createKeyRing([at('a', one)])
  const keys = followed(ring)
  t.same(keys(), [one])
  ring.replace([at('b', two), at('a', one)])
  t.same(keys(), [two, one])
  ring.replace([at('b', two)])
  t.same(keys(), [two], 'a place that is off the list opens nothing')
})

t.test('what a place held before opens until the place is off the list', async (t) => {
  const ring = createKeyRing([at('a', one)])
  const keys = followed(ring)
  ring.replace([at('a', two)])
  t.same(keys(), [two, one])
  ring.replace([at('a', three)])
  t.same(keys(), [three, two, one])
  ring.replace([at('a', one)])
  t.same(keys(), [one, three, two], 'never twice')
  for (let nth = 0; nth < 9; nth += 1) ring.replace([at('a', randomBytes(32))])
  t.equal(keys().length, 5, 'and not without end')
  ring.replace([at('b', two)])
  t.same(keys(), [two])
  ring.replace([at('b', two), at('a', three)])
  t.same(keys(), [two, three], 'nor when it comes back')
})

t.test('slots are as many as ever, and hold what is made of the keys', async (t) => {
  const made = (key: Buffer): Buffer => createHash('sha256').update(key).digest()
  const ring = createKeyRing([at('a', one)])
  const slots = keySlots(ring, made)
  const { length } = slots
  t.ok(slots.every((slot) => slot.equals(made(one))))
  const buffers = [...slots]
  ring.replace([at('b', two), at('a', one)])
  t.ok(slots[0]?.equals(made(two)) && slots[1]?.equals(made(one)))
  t.ok(slots.slice(2).every((slot) => slot.equals(made(two))))
  ring.replace([at('b', two)])
  t.ok(
    slots.every((slot) => slot.equals(made(two))),
    'nothing is left of a key that is gone',
  )
  ring.replace(Array.from({ length: length + 3 }, (_, nth) => at(`${nth}`, randomBytes(32))))
  t.ok(
    slots.every((slot, nth) => slot === buffers[nth]),
    'and always in the same buffers',
  )
})

t.test('secure-session seals and opens with what its slots hold now', async (t) => {
  const ring = createKeyRing([at('a', one)])
  const app = Fastify()
  t.teardown(async () => app.close())
  await app.register(secureSession, { key: [...keySlots(ring, (key) => key)], sessionName: 'loginAttempt' })
  await app.ready()
  const seal = (): string => app.encodeSecureSession(app.createSecureSession({ attempt: 'x' }), 'loginAttempt')
  const opens = (text: string): boolean => app.decodeSecureSession(text, undefined, 'loginAttempt') !== null
  const first = seal()
  ring.replace([at('b', two), at('a', one)])
  const second = seal()
  t.ok(opens(first) && opens(second))
  ring.replace([at('b', two)])
  t.same([opens(first), opens(second)], [false, true])
  ring.replace([at('a', one)])
  t.same([opens(first), opens(second)], [true, false])
})
