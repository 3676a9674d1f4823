import t from 'tap'
import { parse } from 'yaml'
import { printSettings } from '../../src/config/print.ts'
import { createWorkspace, minimalWith } from './workspace.ts'

const text = minimalWith({
  defaults: { upstream: { connectSeconds: 2 } },
  'applications.wiki.routes': { slow: { path: '/slow', upstream: { responseSeconds: 600 } } },
  'applications.shop': { path: '/shop', upstream: 'http://shop.internal', access: 'public' },
})

t.test('the effective settings print as YAML with where each value came from', async (t) => {
  const workspace = createWorkspace(t)
  const printed = printSettings(workspace.load(text, { COGNITO_GATEWAY__LOG__LEVEL: 'debug' }))
  const file = `${workspace.folder}/gateway.yaml`
  t.match(printed, `publicUrl: https://apps.example.com  # ${file}:1\n`)
  t.match(printed, '  level: debug  # COGNITO_GATEWAY__LOG__LEVEL\n')
  t.match(printed, '  people: hash  # default\n')
  t.match(printed, '    issuer: https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI  # default\n')
  t.match(printed, new RegExp(`clientSecret: \\[secret\\] {2}# file client-secret, ${file}:\\d+\n`))
  t.match(printed, new RegExp(`connectSeconds: 2 {2}# defaults, ${file}:\\d+\n`))
  t.match(printed, new RegExp(`url: http://wiki\\.internal:8080 {2}# ${file}:\\d+\n`))
  t.match(
    printed,
    new RegExp(`access: signedIn {2}# application, ${file}:\\d+\n`),
    'a route says that its access is inherited',
  )
  const values: unknown = parse(printed)
  t.match(values, {
    log: { level: 'debug' },
    session: { maxAgeSeconds: 43_200, keys: [['secret']] },
    applications: {
      wiki: { upstream: { connectSeconds: 2 }, routes: { slow: { upstream: { responseSeconds: 600 } } } },
    },
  })
})

t.test('one application can be printed alone', async (t) => {
  const loaded = createWorkspace(t).load(text)
  const printed: unknown = parse(printSettings(loaded, 'shop'))
  t.match(printed, { applications: { shop: { path: '/shop', access: 'public' } } })
  t.same(Object.keys(printed as object), ['applications'])
  t.match(printSettings(loaded, 'nope'), 'There is no application "nope"; there is wiki, shop.')
})
