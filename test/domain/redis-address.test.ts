import t from 'tap'
import { parseRedisAddress } from '../../src/domain/redis-address.ts'

const read = (text: string) => {
  const { address, fault } = parseRedisAddress(text)
  return fault ?? address
}

t.test('one server is named as everybody names it', async (t) => {
  t.match(read('redis://cache'), { kind: 'single', tls: false, hosts: [{ host: 'cache', port: 6379 }], database: 0 })
  t.match(read('rediss://gateway:p%40ss@cache.example:6380/3'), {
    kind: 'single',
    tls: true,
    hosts: [{ host: 'cache.example', port: 6380 }],
    user: 'gateway',
    password: 'p@ss',
    database: 3,
  })
  t.match(read('redis://:secret@[::1]:7000'), {
    hosts: [{ host: '::1', port: 7000 }],
    user: undefined,
    password: 'secret',
  })
})

t.test('sentinels are listed, with the name by which they know the master', async (t) => {
  t.match(read('redis+sentinel://:secret@one,two:26380/mymaster/2'), {
    kind: 'sentinel',
    hosts: [
      { host: 'one', port: 26379 },
      { host: 'two', port: 26380 },
    ],
    master: 'mymaster',
    database: 2,
    password: 'secret',
    sentinelsAsk: false,
  })
  t.match(read('rediss+sentinel://u:p@one/mymaster?sentinelAuth=same'), {
    tls: true,
    sentinelsAsk: true,
    master: 'mymaster',
  })
})

t.test('some nodes of a cluster are enough', async (t) => {
  t.match(read('rediss+cluster://u:p@one:7000,two:7001'), {
    kind: 'cluster',
    tls: true,
    hosts: [
      { host: 'one', port: 7000 },
      { host: 'two', port: 7001 },
    ],
  })
})

t.test('what is wrong with an address is named, and nothing of it is quoted', async (t) => {
  const cases: Readonly<Record<string, RegExp>> = {
    'http://cache': /begins with redis:/,
    'cache:6379': /begins with redis:/,
    'redis://u:S3cr3t/x@cache': /host:port/,
    'redis://u:S3cr3t#x@cache': /as %2F/,
    'redis://u:S3cr3t@': /host:port/,
    'redis://S3cr3t@cache': /user:password@/,
    'redis://user:@cache': /user:password@/,
    'redis://:S3cr3t%ZZ@cache': /user:password@/,
    'redis://:S3cr3t@cache:0': /host:port/,
    'redis://:S3cr3t@cache:70000': /host:port/,
    'redis://:S3cr3t@one,two': /several hosts/,
    'redis://:S3cr3t@cache/name': /number of a database/,
    'redis://:S3cr3t@cache/1/2': /number of a database/,
    'redis://:S3cr3t@cache?tls=no': /question mark/,
    'redis+sentinel://:S3cr3t@one,two': /name of the master/,
    'redis+sentinel://:S3cr3t@one/name/x': /name of the master/,
    'redis+cluster://:S3cr3t@one,two/1': /no databases/,
    'redis+other://:S3cr3t@one': /begins with redis:/,
    'redis://:S3cr3t@cache\n': /begins with redis:/,
    '': /begins with redis:/,
  }
  for (const [text, wanted] of Object.entries(cases)) {
    const { address, fault = '' } = parseRedisAddress(text)
    t.equal(address, undefined, text)
    t.match(fault, wanted, text)
    t.notMatch(fault, /S3cr3t/)
  }
})
