import t from 'tap'
import { createWorkspace, minimalWith, withRoutes } from './workspace.ts'

t.test('the environment replaces any single value', async (t) => {
  const workspace = createWorkspace(t)
  const { settings } = workspace.load(withRoutes({ 'orders-read': { path: '/a', access: 'public' } }), {
    COGNITO_GATEWAY__PUBLICURL: 'https://other.example.com',
    COGNITO_GATEWAY__LISTEN__PORT: '8443',
    COGNITO_GATEWAY__SESSION__IDLETIMEOUTSECONDS: '600',
    COGNITO_GATEWAY__POOLS__STAFF__CLIENTID: '7other',
    COGNITO_GATEWAY__APPLICATIONS__WIKI__SHOWMISSING: 'true',
    COGNITO_GATEWAY__APPLICATIONS__WIKI__UPSTREAM__RESPONSESECONDS: '7',
    'COGNITO_GATEWAY__APPLICATIONS__WIKI__ROUTES__ORDERS-READ__PATH': '/b',
    COGNITO_GATEWAY__APPLICATIONS__WIKI__ROUTES__ORDERS_READ__ACCESS: 'signedIn',
    COGNITO_GATEWAY_SERVICE_HOST: 'not ours: one underscore',
  })
  t.equal(settings.publicUrl, 'https://other.example.com')
  t.equal(settings.listen.port, 8443)
  t.equal(settings.session.idleTimeoutSeconds, 600)
  t.equal(settings.pools[0]?.clientId, '7other')
  const [own, route] = settings.applications[0]?.routes ?? []
  t.equal(own?.showMissing, true)
  t.match(own?.upstream, { urls: ['http://wiki.internal:8080'], responseSeconds: 7 })
  t.match(route, { path: '/b', access: 'signedIn' })
})

t.test('a value that stands nowhere in the file can come from the environment alone', async (t) => {
  const text = minimalWith({}).replace(/^publicUrl.*\n/, '')
  const { settings } = createWorkspace(t).load(text, { COGNITO_GATEWAY__PUBLICURL: 'https://env.example.com' })
  t.equal(settings.publicUrl, 'https://env.example.com')
})

t.test('an entry of a list is named by its place', async (t) => {
  const workspace = createWorkspace(t)
  const text = minimalWith({ 'session.keys': [{ file: 'missing' }] })
  const { settings } = workspace.load(text, { COGNITO_GATEWAY__SESSION__KEYS__0__FILE: 'session-key' })
  t.equal(settings.session.keys[0]?.origin, `file ${workspace.folder}/session-key`)
})

const refused: readonly (readonly [string, string, string, RegExp])[] = [
  [
    'an unknown variable',
    'SESION__STORE',
    'cookie',
    /is not a setting: SESION is not known there; did you mean SESSION\?/,
  ],
  ['an unknown variable below', 'SESSION__IDLE_TIMEOUT', '5', /is not a setting/],
  [
    'a name that the file does not have',
    'POOLS__GUESTS__CLIENTID',
    'x',
    /is not a setting: GUESTS is not known there; known here: STAFF/,
  ],
  ['K02 an empty variable', 'LOG__LEVEL', '', /is empty: give it a value or unset it/],
  ['a blank variable', 'LOG__LEVEL', '  ', /is empty/],
  ['a variable that is null', 'LOG__LEVEL', 'null', /is empty/],
  ['a variable for a whole map', 'SESSION', 'x', /is not one value: add the name of a setting below it/],
  ['a list in a variable', 'LOG__LEVEL', '[info]', /must be one value, not a list or map/],
  ['a number in another notation', 'LISTEN__PORT', '0x50', /must be a plain decimal number/],
  [
    'a number where a text must be',
    'POOLS__STAFF__CLIENTID',
    '12345',
    /must be an app client's id, not this number; put it in quotes/,
  ],
  ['a boolean in other words', 'APPLICATIONS__WIKI__SHOWMISSING', 'yes', /must be true or false, not this text/],
  ['a value out of bounds', 'SESSION__RECHECKSECONDS', '0', /must be seconds, a whole number from 1/],
  ['a secret in clear', 'POOLS__STAFF__CLIENTSECRET', 'canary-secret', /is not one value/],
  ['a name that ends in nothing', 'LOG__', 'x', /is not a setting: a name is missing/],
  ['no YAML at all', 'LOG__LEVEL', '"x', /is not a YAML value/],
]
for (const [title, name, value, message] of refused) {
  t.test(`${title} is refused by the variable's name`, async (t) => {
    const variable = `COGNITO_GATEWAY__${name}`
    const faults = createWorkspace(t).faults(minimalWith({}), { [variable]: value })
    t.equal(faults.length, 1, faults.join('\n'))
    t.ok(faults[0]?.startsWith(`environment ${variable}: `))
    t.match(faults[0], message)
    t.notMatch(faults[0], 'canary')
  })
}

t.test('quotes make a text of a number', async (t) => {
  const { settings } = createWorkspace(t).load(minimalWith({}), { COGNITO_GATEWAY__POOLS__STAFF__CLIENTID: '"12345"' })
  t.equal(settings.pools[0]?.clientId, '12345')
})

t.test('two variables for one value are refused', async (t) => {
  const faults = createWorkspace(t).faults(minimalWith({}), {
    COGNITO_GATEWAY__LOG__LEVEL: 'info',
    COGNITO_GATEWAY__log__level: 'debug',
  })
  t.match(faults, [/COGNITO_GATEWAY__log__level: sets the same as COGNITO_GATEWAY__LOG__LEVEL/])
})
