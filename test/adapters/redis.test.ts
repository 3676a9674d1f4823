import t from 'tap'
import { StoreError, versioned, type Redis } from '../../src/adapters/redis.ts'
import { startFaultProxy } from '../helpers/fault-proxy.ts'
import { connectRedis, noRedis, redisCli, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

const skip = noRedis ?? false

/** What became of a command: its answer, or the kind of its failure. */
async function outcome(command: Promise<unknown>): Promise<unknown> {
  return command.catch((error: unknown) => (error instanceof StoreError ? error.kind : error))
}
const isUp = async (redis: Redis): Promise<void> => until(async () => redis.check())

t.test('what is kept in Redis comes back, for as long as it was to be kept', { skip }, async (t) => {
  const server = await startRedis(t)
  const redis = connectRedis(t, server.url)
  await isUp(redis)

  t.test('a missing key is an answer and no error', async (t) => {
    t.equal(await redis.get('none'), null)
    await redis.set('one', 'value', 60_000)
    t.equal(await redis.get('one'), 'value')
    t.match(redisCli(server.port, 'ttl', 'one'), /^(59|60)$/)
    await redis.delete('one')
    t.equal(await redis.get('one'), null)
  })

  t.test('only newer versions replace, and nothing comes back that was deleted', async (t) => {
    t.equal(await redis.replace('versions', { version: 1, text: 'a' }, 60_000), 'gone')
    t.equal(await redis.get('versions'), null)
    await redis.set('versions', versioned({ version: 5, text: 'a b' }), 60_000)
    t.equal(await redis.replace('versions', { version: 4, text: 'old' }, 60_000), 'older')
    t.equal(await redis.get('versions'), '5 a b')
    t.equal(await redis.replace('versions', { version: 5, text: 'same' }, 60_000), 'replaced')
    t.equal(await redis.replace('versions', { version: 12, text: 'new' }, 60_000), 'replaced')
    t.equal(await redis.get('versions'), '12 new')
  })

  t.test('a lock is taken once, and given back by whoever holds it', async (t) => {
    t.equal(await redis.setIfAbsent('lock', 'me', 60_000), true)
    t.equal(await redis.setIfAbsent('lock', 'other', 60_000), false)
    await redis.deleteIf('lock', 'other')
    t.equal(await redis.get('lock'), 'me')
    await redis.deleteIf('lock', 'me')
    t.equal(await redis.get('lock'), null)
  })

  t.test('a log is read from any position on', async (t) => {
    for (const entry of ['a', 'b', 'c']) await redis.append('log', entry, 60_000)
    const first = await redis.entriesAfter('log', '0', 2)
    t.same(first.entries, ['a', 'b'])
    const second = await redis.entriesAfter('log', first.position, 2)
    t.same(second.entries, ['c'])
    t.same(await redis.entriesAfter('log', second.position, 2), { entries: [], position: second.position })
  })
})

t.test(
  'RL14 what Redis says instead of an answer is told by its word alone, and is never a miss',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const proxy = await startFaultProxy(t, server.port)
    const redis = connectRedis(t, `redis://127.0.0.1:${proxy.port}`)
    await isUp(redis)
    await redis.set('key', 'value', 60_000)
    const errors = {
      READONLY: "-READONLY You can't write against a read only replica.\r\n",
      LOADING: '-LOADING Redis is loading the dataset in memory\r\n',
      BUSY: '-BUSY Redis is busy running a script.\r\n',
      MASTERDOWN: "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
      NOAUTH: '-NOAUTH Authentication required.\r\n',
      OOM: "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
      MOVED: '-MOVED 3999 127.0.0.1:6381\r\n',
      wrong_answer: ':7\r\n',
    }
    for (const [kind, line] of Object.entries(errors)) {
      proxy.rule = {
        asked(_data, answer) {
          answer(line)
          return null
        },
      }
      t.equal(await outcome(redis.get('key')), kind, kind)
      t.equal(redis.up, false, 'and a sign-in does not rely on it')
      proxy.rule = undefined
      await isUp(redis)
      t.equal(await redis.get('key'), 'value', 'and afterwards all is as before')
    }
  },
)

t.test(
  'a server that stands still costs each command 200 ms at most, and nothing piles up for it',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const results: string[] = []
    const redis = connectRedis(t, server.url, { onCommand: (_operation, result) => void results.push(result) })
    await isUp(redis)
    await redis.set('key', 'value', 60_000)
    server.freeze()
    const first = await Promise.all(Array.from({ length: 1_200 }, async () => outcome(redis.get('key'))))
    t.same(new Set(first), new Set(['timeout', 'too_many']), 'a thousand wait, more do not')
    const startedAt = performance.now()
    for (let count = 0; count < 100; count += 1) t.not(await outcome(redis.get('key')), 'value')
    t.ok(performance.now() - startedAt < 5_000, 'what follows does not wait for each time again')
    server.thaw()
    await isUp(redis)
    t.equal(await redis.get('key'), 'value')
    t.ok(results.includes('failed'))
  },
)

t.test('a busy process takes no answer for late that is there already', { skip }, async (t) => {
  const server = await startRedis(t)
  const redis = connectRedis(t, server.url)
  await isUp(redis)
  const asked = outcome(redis.get('none'))
  const until = performance.now() + 400
  while (performance.now() < until);
  t.equal(await asked, null)
})

t.test('a wrong password, and a user who may do nothing, are told as what they are', { skip }, async (t) => {
  const server = await startRedis(t, ['--requirepass', 'right'])
  const kinds: string[] = []
  const more = { onChange: (_up: boolean, kind: string) => void kinds.push(kind) }
  const wrong = connectRedis(t, `redis://:S3cr3t@127.0.0.1:${server.port}`, more)
  const none = connectRedis(t, server.url, more)
  await until(async () => (await outcome(wrong.get('key'))) === 'WRONGPASS')
  await until(async () => (await outcome(none.get('key'))) === 'NOAUTH')
  const right = connectRedis(t, `redis://:right@127.0.0.1:${server.port}/2`)
  await isUp(right)
  await right.set('key', 'value', 60_000)
  t.equal(redisCli(server.port, '-a', 'right', '--no-auth-warning', '-n', '2', 'get', 'key'), 'value')
})

t.test('a server that throws sessions away is told once', { skip }, async (t) => {
  const server = await startRedis(t, ['--maxmemory', '100mb', '--maxmemory-policy', 'volatile-lru'])
  const policies: string[] = []
  const redis = connectRedis(t, server.url, { onEviction: (policy) => void policies.push(policy) })
  await until(() => policies.length > 0)
  await redis.get('key')
  t.same(policies, ['volatile-lru'])
})
