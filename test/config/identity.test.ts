import t from 'tap'
import { newAssertionKey } from '../../src/commands/keygen.ts'
import { createWorkspace, minimalWith, withRoutes } from './workspace.ts'

const identity = (value: unknown, more: Readonly<Record<string, unknown>> = {}): string =>
  minimalWith({ 'applications.wiki.identity': value, ...more })

t.test('what identity headers need is asked for at the start, with the way to give it', async (t) => {
  const { faults, write } = createWorkspace(t)
  write('password', 'a password\n')
  const basic = { password: { file: 'password' } }
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['basic without a password', identity({ headers: ['basic'] }), /identity\.headers: needs the password to send/],
    ['the same by authorization', identity({ authorization: 'basic' }), /authorization: needs the password to send/],
    [
      'two Authorization headers',
      identity({ headers: ['basic'], authorization: 'idToken', basic }),
      /authorization: must not be a token beside headers: \[basic\]/,
    ],
    ['custom without a map', identity({ headers: ['custom'] }), /headers: contains custom: write identity\.custom/],
    ['a map without custom', identity({ custom: { 'X-User': 'user' } }), /custom: does nothing here/],
    ['an unknown value', identity({ headers: ['custom'], custom: { 'X-User': 'usr' } }), /must be user, sub, email/],
    [
      'the header of a request',
      identity({ headers: ['custom'], custom: { Host: 'user' } }),
      /must not be a header that carries the request itself/,
    ],
    [
      'K09 one header twice',
      identity({ headers: ['custom'], custom: { 'X-User': 'user', X_USER: 'email' } }),
      /X_USER: is told twice/,
    ],
    [
      'a header of another family',
      identity({ headers: ['remote', 'custom'], custom: { 'Remote-User': 'email' } }),
      /Remote-User: is told twice/,
    ],
    [
      'a header that is set as well',
      identity({ headers: ['remote'] }, { 'applications.wiki.requestHeaders': { set: { remote_user: 'x' } } }),
      /requestHeaders\.set\.remote_user: is one of the identity headers/,
    ],
    ['an assertion without a key', identity({ assertion: true }), /identity\.assertion: needs a key/],
    ['alb without a key', identity({ headers: ['alb'] }), /identity\.headers: contains alb: write assertion/],
    ['no ARN', identity({ headers: ['alb'], alb: { signer: 'me' } }), /signer: must be a load balancer's ARN/],
  ]
  for (const [what, text, expected] of cases) t.match(faults(text).join('\n'), expected, what)
  for (const signing of ['not a key', newAssertionKey().replace('PRIVATE', 'SECRET')]) {
    write('signing', signing)
    t.match(
      faults(identity({ assertion: true }, { 'assertion.keys': [{ file: 'signing' }] })).join('\n'),
      /assertion\.keys\[0\]: .* must hold a P-256 private key as PEM/,
    )
  }
})

t.test('one key never signs for two purposes', async (t) => {
  const { faults, write } = createWorkspace(t)
  write('signing', newAssertionKey())
  const text = identity(
    { assertion: true },
    { assertion: { keys: [{ file: 'signing' }], albKeys: [{ file: 'signing' }] } },
  )
  t.match(faults(text).join('\n'), /holds the same as assertion\.keys/)
})

t.test('an application that gets tokens must not be able to act as its visitors with them', async (t) => {
  const { faults, warnings, write } = createWorkspace(t)
  write('signing', newAssertionKey())
  const pool = {
    'pools.staff.bearerClients': ['4example23456789', 'another'],
    'pools.staff.scopes': ['openid', 'aws.cognito.signin.user.admin'],
    'assertion.albKeys': [{ file: 'signing' }],
  }
  for (const forwarding of [{ authorization: 'accessToken' }, { authorization: 'idToken' }, { headers: ['alb'] }]) {
    const found = faults(identity(forwarding, pool)).join('\n')
    t.match(found, /bearerClients: must not contain the own clientId/, JSON.stringify(forwarding))
    t.match(found, /scopes: must not contain aws\.cognito\.signin\.user\.admin/)
  }
  t.same(faults(identity({ headers: ['remote'] }, pool)), [], 'who gets no tokens may have both')
  t.match(warnings(identity({ authorization: 'accessToken' })).join('\n'), /session: keeps tokens .* use store: redis/)
})

t.test('a route has the password of the nearest place, from a file or from the environment', async (t) => {
  const { load, write } = createWorkspace(t)
  write('password', 'of the application')
  const text = withRoutes(
    { own: { path: '/own/*', identity: { basic: { password: { env: 'PASSWORD' } } } }, other: { path: '/other/*' } },
    { identity: { headers: ['basic'], basic: { password: { file: 'password' } } } },
  )
  const { settings } = load(text, { PASSWORD: 'of the route' })
  const told = settings.applications[0]?.routes.map(({ name, identity: rule }) => [
    name,
    rule.authorization,
    rule.password?.reveal(),
  ])
  t.same(told, [
    ['wiki', 'basic', 'of the application'],
    ['wiki/own', 'basic', 'of the route'],
    ['wiki/other', 'basic', 'of the application'],
  ])
  t.notMatch(JSON.stringify(settings), /of the (route|application)/)
})
