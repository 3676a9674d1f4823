import { generateKeyPairSync, randomBytes, randomInt, sign } from 'node:crypto'
import t from 'tap'
import { createCookieStore } from '../../src/adapters/cookie-session-store.ts'
import { createSealedHandleStore } from '../../src/adapters/sealed-handle-store.ts'
import { createSeal } from '../../src/adapters/seal.ts'
import type { SessionStore, StoredSession } from '../../src/adapters/session-store.ts'
import type { Session } from '../../src/domain/session.ts'
import { createClock } from '../helpers/clock.ts'
import { connectRedis, noRedis, startRedis } from '../helpers/redis.ts'
import { ownRevocations } from '../helpers/revocations.ts'
import { newSession } from '../helpers/sessions.ts'
import { redisStoreOver } from '../helpers/redis-store.ts'
import { until } from '../helpers/until.ts'

interface Replica {
  readonly keys?: readonly Buffer[]
  readonly context?: string
}

/** What is true of every store. Replicas share what replicas of one gateway share. */
interface Kind {
  readonly name: string
  readonly skip: string | false
  /** To be called once, before the first replica. */
  start(): Promise<(replica?: Replica) => SessionStore>
}

const clock = createClock()
const theKey = randomBytes(32)

async function redisStores() {
  const server = await startRedis(t)
  return ({ keys = [theKey], context = 'app' }: Replica = {}): SessionStore =>
    redisStoreOver(connectRedis(t, server.url), { clock, keys, context })
}

const kinds: readonly Kind[] = [
  {
    name: 'cookie',
    skip: false,
    start:
      async () =>
      ({ keys = [theKey], context = 'app' } = {}) =>
        createCookieStore({
          seal: createSeal(keys, 'session', context),
          revocations: ownRevocations(clock.now),
          maxTextBytes: 7_900,
        }),
  },
  { name: 'redis', skip: noRedis ?? false, start: redisStores },
  {
    name: 'redis, on a host that gets its sessions handed over',
    skip: noRedis ?? false,
    async start() {
      const storeOf = await redisStores()
      return (replica = {}) => {
        const { keys = [theKey], context = 'app' } = replica
        return createSealedHandleStore(storeOf(replica), createSeal(keys, 'session', `${context} wiki.example.com`))
      }
    },
  },
]

for (const { name, skip, start } of kinds) {
  t.test(`sessions in store ${name}`, { skip }, async (t) => {
    const replicaOf = await start()
    const connected = async (replica?: Replica): Promise<SessionStore> => {
      const store = replicaOf(replica)
      await waitFor(store)
      return store
    }
    const store = await connected()

    t.test('a session comes back as it was written, on a replica that never saw it too', async (t) => {
      const one = newSession(clock, { originJti: 'jti' })
      const text = await begun(store, one)
      const other = await connected()
      for (const stored of [await read(store, text), await read(other, text)])
        t.same({ ...stored?.session, handle: undefined }, { ...one, handle: undefined })
    })

    t.test(
      'C23 every session has names of its own, and the one that the browser holds cannot be guessed',
      async (t) => {
        const ids = Array.from({ length: 1_000 }, () => store.newIds())
        t.equal(new Set(ids.map(({ id }) => id)).size, ids.length)
        for (const { id, handle } of ids.slice(0, 10)) {
          t.equal(Buffer.from(handle, 'base64url').length, 32)
          t.equal(Buffer.from(id, 'base64url').length, 16)
        }
      },
    )

    t.test('what was written later counts', async (t) => {
      const one = newSession(clock)
      await begun(store, one)
      const text = (await store.write({ ...one, seenAt: one.seenAt + 1_000 })) ?? ''
      t.equal((await read(store, text))?.session.seenAt, one.seenAt + 1_000)
      t.equal((await read(await connected(), text))?.session.seenAt, one.seenAt + 1_000)
    })

    t.test(
      'C07 an ended session is none, however often its cookie was copied, and cannot be written again',
      async (t) => {
        const one = newSession(clock)
        const text = await begun(store, one)
        const copy = (await store.write({ ...one, seenAt: one.seenAt + 1 })) ?? ''
        await store.end(one)
        t.equal(await store.read(text), null)
        t.equal(await store.read(copy), null)
        t.equal(await store.write(one), null, 'a refresh that ends after the sign-out does not bring it back')
      },
    )

    t.test('a lapsed session is none either, but its text tells whose it was until somebody ends it', async (t) => {
      const one = newSession(clock)
      const text = await begun(store, one)
      await store.lapse(one)
      t.equal(await store.read(text), null)
      t.equal(await store.write(one), null)
      t.match(await store.lastKnown(text), { id: one.id, person: { subject: 'sub-alice' } })
      await store.end(one)
      t.equal(await store.lastKnown(text), null)
      await store.lapse(one)
      t.equal(await store.lastKnown(text), null, 'and what was ended stays so')
      t.equal(await store.lastKnown('x'.repeat(200)), null)
    })

    t.test('what is no session of this gateway is none', async (t) => {
      const text = await begun(store, newSession(clock))
      for (const junk of [
        '',
        'x'.repeat(32),
        'x'.repeat(43),
        text.slice(1),
        `${text}x`,
        `${text} `,
        newSession(clock).handle ?? '',
      ])
        t.equal(await store.read(junk), null, junk.slice(0, 50))
      t.notOk(session(await (await connected({ context: 'another gateway' })).read(text)), 'of another gateway')
    })

    t.test('a key that is on its way out still opens, and one that others have already is left to them', async (t) => {
      const text = await begun(store, newSession(clock))
      const moving = await connected({ keys: [randomBytes(32), theKey] })
      const stored = await read(moving, text)
      t.equal(stored?.oldKey, true)
      const again = (stored === null ? null : await moving.write(stored.session)) ?? ''
      t.equal((await read(moving, again))?.oldKey, false)
      t.equal(await (await connected()).read(again), 'foreign')
      t.equal(await (await connected({ keys: [randomBytes(32)] })).read(text), 'foreign')
    })

    t.test('a session that does not fit says how large it is and what helps', async (t) => {
      const many = Array.from({ length: 3_000 }, () => randomBytes(16).toString('hex'))
      await t.rejects(async () => store.create(newSession(clock, {}, many)), {
        code: 'GW_SESSION_TOO_LARGE',
        detail: /has \d+ bytes|needs \d+ bytes .* fewer groups/,
      })
    })

    t.test('C25 L36 a thousand sessions read at once and in any order are each their own', async (t) => {
      const people = Array.from({ length: 1_000 }, (_, at) => `person-${at}`)
      const texts = await inTurns(people, async (subject) => {
        const one = newSession(clock)
        return begun(store, { ...one, person: { ...one.person, subject } })
      })
      const other = await connected()
      for (const reader of [store, other]) {
        const found = await inTurns(
          texts.toReversed(),
          async (text) => (await read(reader, text))?.session.person.subject,
        )
        t.same(found, people.toReversed())
      }
    })
  })
}

t.test('a session with a refresh token of real size and 200 groups fits one cookie', async (t) => {
  const store = createCookieStore({
    seal: createSeal([theKey], 'session', 'app'),
    revocations: ownRevocations(clock.now),
    maxTextBytes: 7_900,
  })
  const groups = Array.from({ length: 200 }, (_, at) => `department-${at}-of-the-company`)
  const text = store.create(newSession(clock, {}, groups)) ?? ''
  t.ok(text.length > 0 && text.length < 3_950, `${text.length} bytes`)
  const many = Array.from({ length: 400 }, () => randomBytes(16).toString('hex'))
  t.throws(() => store.create(newSession(clock, {}, many)), { code: 'GW_SESSION_TOO_LARGE' })
})

t.test(
  'C33 of a hundred thousand malformed cookies all have one outcome, but those that name another key',
  async (t) => {
    const store = createCookieStore({
      seal: createSeal([theKey], 'session', 'app'),
      revocations: ownRevocations(clock.now),
      maxTextBytes: 7_900,
    })
    const text = store.create(newSession(clock)) ?? ''
    const header = text.slice(0, text.indexOf('.'))
    const outcomes = new Map<string, number>()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/% '
    for (let nth = 0; nth < 100_000; nth += 1) {
      const at = randomInt(text.length)
      const put = alphabet[randomInt(alphabet.length)] ?? ''
      const kept = [text.slice(0, at), text.slice(at + 1), text.slice(at + 1 + randomInt(40)), text.slice(at)]
      const broken = (kept[0] ?? '') + put + (kept[1 + (nth % 3)] ?? '')
      if (broken === text) continue
      const outcome = `${broken.startsWith(`${header}.`) ? 'our key' : 'another header'}: ${JSON.stringify(store.read(broken))}`
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    outcomes.delete('another header: "foreign"')
    t.same([...outcomes.keys()].sort(), ['another header: null', 'our key: null'])
  },
)

t.test('tokens that a route passes on come back letter by letter, and what they repeat costs nothing', async (t) => {
  const store = createCookieStore({
    seal: createSeal([theKey], 'session', 'app'),
    revocations: ownRevocations(clock.now),
    maxTextBytes: 7_900,
  })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const groups = Array.from({ length: 10 }, (_, at) => `group-number-${at}`)
  const claims = {
    sub: 'sub-alice',
    'cognito:groups': groups,
    iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x',
  }
  const texts = [{ kid: 'k', alg: 'RS256' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const signature = sign('sha256', Buffer.from(texts.join('.')), privateKey).toString('base64url')
  const token = [...texts, signature].join('.')
  const sizeWith = async (more: Partial<Session>): Promise<number> => {
    const text = await begun(store, newSession(clock, more, groups))
    const other = createCookieStore({
      seal: createSeal([theKey], 'session', 'app'),
      revocations: ownRevocations(clock.now),
      maxTextBytes: 7_900,
    })
    t.match((await read(other, text))?.session, more)
    return text.length
  }
  const without = await sizeWith({})
  const grown = (await sizeWith({ accessToken: token })) - without
  t.ok(grown < signature.length * 1.5 + 150, `${grown} bytes for a token of ${token.length}`)
  for (const odd of ['no token', 'a.b', `${token}=`, 'e30.e30.\n', 'ÿ.ÿ.ÿ', '']) await sizeWith({ idToken: odd })
})

async function waitFor(store: SessionStore): Promise<void> {
  await until(async () => {
    try {
      await store.check()
      return true
    } catch {
      return false
    }
  })
}

async function begun(store: SessionStore, one: Session): Promise<string> {
  const text = await store.create(one)
  if (text === null) throw new Error('not written')
  return text
}

const session = (found: StoredSession | 'foreign' | null): StoredSession | null => (found === 'foreign' ? null : found)
const read = async (store: SessionStore, text: string): Promise<StoredSession | null> => session(await store.read(text))

/** So many at a time as are on their way to the store at most. */
async function inTurns<In, Out>(all: readonly In[], each: (one: In) => Promise<Out>): Promise<readonly Out[]> {
  const found: Out[] = []
  for (let at = 0; at < all.length; at += 200) found.push(...(await Promise.all(all.slice(at, at + 200).map(each))))
  return found
}

t.test('a session in cookies is lent without its refresh token, and is the same session', async (t) => {
  const store = createCookieStore({
    seal: createSeal([theKey], 'session', 'app wiki.example.com'),
    revocations: ownRevocations(clock.now),
    maxTextBytes: 7_900,
  })
  const session = newSession(clock)
  const lent = store.read(store.lend(session, clock.now()) ?? '')
  if (lent === null || lent === 'foreign') throw new Error('what was lent is no session')
  t.match(lent.session, { id: session.id, refreshToken: undefined, lentAt: clock.now() })
  await store.end(session)
  t.equal(store.lend(session, clock.now()), null)
})
