import t from 'tap'
import { chmodSync } from 'node:fs'
import { inspect } from 'node:util'
import { printSettings } from '../../src/config/print.ts'
import { createWorkspace, minimalWith, newKey } from './workspace.ts'

const CANARY = 'canary-4f1e-secret'

t.test('secrets come from files and from the environment, without the final line break', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('client-secret', `${CANARY}\r\n`)
  const text = minimalWith({ 'session.keys': [{ file: 'session-key' }, { env: 'OLD_KEY' }] })
  const { settings } = workspace.load(text, { OLD_KEY: newKey('old') })
  t.equal(settings.pools[0]?.clientSecret?.reveal(), CANARY)
  t.same(
    settings.session.keys.map((key) => key.reveal()),
    [newKey('session'), newKey('old')],
  )
})

t.test('a public app client has no secret', async (t) => {
  const { settings } = createWorkspace(t).load(minimalWith({ 'pools.staff.clientSecret': undefined }))
  t.equal(settings.pools[0]?.clientSecret, undefined)
})

t.test('no print of the settings shows a secret', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('client-secret', CANARY)
  const loaded = workspace.load(minimalWith({}))
  for (const shown of [
    JSON.stringify(loaded.settings),
    inspect(loaded, { depth: 20 }),
    printSettings(loaded),
    String(loaded.settings.session.keys[0]),
  ]) {
    t.notMatch(shown, CANARY)
    t.notMatch(shown, newKey('session'))
    t.match(shown, '[secret]')
  }
})

t.test('a secret in clear is refused and not repeated', async (t) => {
  const workspace = createWorkspace(t)
  for (const value of [CANARY, { value: CANARY }, { file: CANARY, env: CANARY }, [CANARY], { env: `${CANARY}!` }]) {
    const faults = workspace.faults(minimalWith({ 'pools.staff.clientSecret': value }))
    t.ok(faults.length > 0)
    t.notMatch(faults.join('\n'), CANARY)
  }
  t.match(workspace.faults(minimalWith({ 'pools.staff.clientSecret': CANARY })), [
    /must be \{ file: PATH \} or \{ env: NAME \}, never the secret itself/,
  ])
})

t.test('a value on the wrong line is never repeated in a fault', async (t) => {
  const workspace = createWorkspace(t)
  for (const path of [
    'publicUrl',
    'listen.port',
    'pools.staff.userPoolId',
    'pools.staff.issuer',
    'applications.wiki.access',
    'log.level',
    'applications.wiki.upstream',
    'session',
    'workers',
  ])
    t.notMatch(workspace.faults(minimalWith({ [path]: CANARY })).join('\n'), CANARY, path)
  for (const text of [
    `a: *${CANARY}`,
    `a: "${CANARY}`,
    `a: b: ${CANARY}`,
    `a: @${CANARY}`,
    `a: [${CANARY}`,
    `${CANARY}\na: 1`,
    `a: 1\n"${CANARY}`,
    `a: 'x' ${CANARY}`,
  ])
    t.notMatch(workspace.faults(text).join('\n'), CANARY, text.replace(CANARY, '…'))
})

const badKeys: readonly (readonly [string, string])[] = [
  ['K03 31 bytes', Buffer.alloc(31, newKey('x'), 'base64url').toString('base64url')],
  ['K03 33 bytes', Buffer.concat([Buffer.from(newKey('x'), 'base64url'), Buffer.from([7])]).toString('base64url')],
  ['K03 base64 with padding', Buffer.from(newKey('x'), 'base64url').toString('base64')],
  ['K03 hexadecimal', Buffer.from(newKey('x'), 'base64url').toString('hex')],
  ['K03 loose last bits', `${newKey('x').slice(0, 42)}${newKey('x').endsWith('B') ? 'C' : 'B'}`],
  ['K03 zeros', Buffer.alloc(32).toString('base64url')],
  ['K03 one byte repeated', Buffer.alloc(32, 0xa7).toString('base64url')],
  ['K03 a short pattern repeated', Buffer.alloc(32, 'f3a1d7', 'hex').toString('base64url')],
  ['K03 counted bytes', Buffer.from(Array.from({ length: 32 }, (_, at) => at + 100)).toString('base64url')],
  ['K03 a typed text', Buffer.from('correct horse battery staple 123').toString('base64url')],
  ['K03 two lines', `${newKey('x')}\n${newKey('y')}`],
]
for (const [title, key] of badKeys) {
  t.test(`${title} is no session key`, async (t) => {
    const workspace = createWorkspace(t)
    workspace.write('session-key', key)
    const faults = workspace.faults(minimalWith({}))
    t.equal(faults.length, 1, faults.join('\n'))
    t.match(
      faults[0],
      /session\.keys\[0\]: file \S+session-key (?:must hold exactly 32 bytes as base64url|holds a key that can be guessed)/,
    )
    t.match(faults[0], 'cognito-gateway keygen')
    t.notMatch(faults[0], key.slice(0, 12))
  })
}

t.test('K03 one bad key among good ones is refused at its place', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('bad-key', 'AAAA')
  workspace.write('other-key', newKey('other'))
  const faults = workspace.faults(
    minimalWith({ 'session.keys': [{ file: 'session-key' }, { file: 'bad-key' }, { file: 'other-key' }] }),
  )
  t.equal(faults.length, 1)
  t.match(faults[0], /session\.keys\[1\]: file \S+bad-key must hold/)
})

t.test('K03 one key twice, or for two purposes, is refused', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('again', newKey('session'))
  t.match(workspace.faults(minimalWith({ 'session.keys': [{ file: 'session-key' }, { file: 'again' }] })), [
    /session\.keys\[1\]: file \S+again holds the same as session\.keys\[0\]/,
  ])
  t.match(workspace.faults(minimalWith({ 'pools.staff.clientSecret': { file: 'again' } })), [
    /session\.keys\[0\]: file \S+session-key holds the same as pools\.staff\.clientSecret/,
  ])
})

t.test('K06 a secret that is missing, empty, or not a file is refused by its name', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('empty', '\n')
  const faults = (source: object, environment = {}): readonly string[] =>
    workspace.faults(minimalWith({ 'pools.staff.clientSecret': source }), environment)
  t.match(faults({ file: 'nowhere' }), [/file \S+nowhere does not exist/])
  t.match(faults({ file: 'empty' }), [/file \S+empty is empty/])
  t.match(faults({ file: '.' }), [/is not a file/])
  t.match(faults({ env: 'NOT_THERE' }), [/environment variable NOT_THERE is not set/])
  t.match(faults({ env: 'BLANK' }, { BLANK: '' }), [/environment variable BLANK is empty/])
  t.match(faults({}), [/must have either file or env/])
})

t.test('K17 a secret that its group or everybody can write is refused', async (t) => {
  const workspace = createWorkspace(t)
  for (const mode of [0o620, 0o602, 0o666]) {
    chmodSync(`${workspace.folder}/session-key`, mode)
    t.match(workspace.faults(minimalWith({})), [
      /session\.keys\[0\]: file \S+session-key can be written by its group or by everybody/,
    ])
  }
})

t.test('K06 a secret that everybody can read is warned about; one that its group can read is not', async (t) => {
  const workspace = createWorkspace(t)
  chmodSync(`${workspace.folder}/client-secret`, 0o644)
  t.match(workspace.warnings(minimalWith({})), [
    /pools\.staff\.clientSecret: file \S+client-secret can be read by everybody/,
  ])
  chmodSync(`${workspace.folder}/client-secret`, 0o440)
  t.same(workspace.warnings(minimalWith({})), [])
})

t.test('a token of the control port that is short, empty or used twice is refused', async (t) => {
  const workspace = createWorkspace(t)
  const faults = (content: string): readonly string[] => {
    workspace.write('control-token', content)
    return workspace.faults(minimalWith({ control: { host: '0.0.0.0', token: { file: 'control-token' } } }))
  }
  t.same(faults(newKey('control')), [])
  t.match(faults('short'), [/control\.token: .*holds a token that can be guessed/])
  t.match(faults(' '), [/control\.token: .*is empty/])
  t.match(faults(newKey('session')), [/holds the same as/])
})

t.test(
  'an address of Redis that is malformed, and authorities that are none, are told without the password',
  async (t) => {
    const workspace = createWorkspace(t)
    const faults = (url: string, more: object = {}): readonly string[] =>
      workspace.faults(
        minimalWith({ 'session.store': 'redis', 'session.redis': { url: { env: 'REDIS_URL' }, ...more } }),
        {
          REDIS_URL: url,
        },
      )
    t.same(faults(`rediss+sentinel://gateway:${CANARY}@one,two/mymaster`), [])
    const wrong = [
      faults(`redis+sentinel://gateway:${CANARY}@one,two`),
      faults(`${CANARY}@one`),
      faults(`redis://:${CANARY}@one`, { caFile: 'session-key' }),
    ]
    t.match(wrong, [
      [/session\.redis\.url: environment variable REDIS_URL must end with \/ and the name of the master/],
      [/session\.redis\.url: environment variable REDIS_URL must hold one address that begins with redis:/],
      [/session\.redis\.caFile: file \S+session-key holds no certificate in PEM/],
    ])
    t.notMatch(wrong.flat().join('\n'), CANARY)
    t.match(workspace.faults(minimalWith({ 'session.store': 'redis' })), [/session\.store: needs session\.redis/])
  },
)
