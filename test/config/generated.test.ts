import t from 'tap'
import Fastify from 'fastify'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { describeSettings, type SettingDescription } from '../../src/config/describe.ts'
import { publishedSchema } from '../../src/config/json-schema.ts'
import { loadSettings } from '../../src/config/load.ts'
import { createWorkspace, isMap, minimalWith, newKey, writeIdentityFiles, writeTlsFiles } from './workspace.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

t.test('config/gateway.schema.json is current', async (t) => {
  t.equal(read('config/gateway.schema.json'), publishedSchema(), 'run npm run generate')
})

t.test('config/gateway.example.yaml is current', async (t) => {
  const module: unknown = await import(pathToFileURL(join(root, 'scripts', 'example.mjs')).href)
  const { exampleFile } = module as { exampleFile: (descriptions: readonly SettingDescription[]) => string }
  t.equal(read('config/gateway.example.yaml'), exampleFile(describeSettings()), 'run npm run generate')
})

t.test('every setting has a sentence, and says so where it is not supported yet', async (t) => {
  for (const { path, sentence, supported } of describeSettings()) {
    t.match(sentence, /^\S.*\.$/, path)
    if (
      !supported &&
      !path
        .split('.')
        .slice(0, -1)
        .some((_, at, keys) => isUnsupported(keys.slice(0, at + 1).join('.')))
    )
      t.match(sentence, /Not supported yet/, path)
  }
})

function isUnsupported(path: string): boolean {
  return describeSettings().some((setting) => setting.path === path.replace(/\[\]$/, '') && !setting.supported)
}

t.test('the example has every setting with its sentence', async (t) => {
  const example = read('config/gateway.example.yaml')
  const words = example.replaceAll(/\s*\n\s*# ?/g, ' ')
  for (const { path, sentence } of describeSettings()) {
    const key = path.split('.').at(-1)?.replace('[]', '') ?? ''
    t.match(example, new RegExp(`^ *#?(?:- |.*\\{ .*)?${key}:`, 'm'), path)
    t.ok(words.includes(sentence), `${path}: ${sentence}`)
  }
})

t.test('the example loads without a fault', async (t) => {
  const workspace = createWorkspace(t)
  const { settings } = loadSettings({
    file: join(root, 'config', 'gateway.example.yaml'),
    environment: {
      CLIENT_SECRET: 'example-secret',
      REDIS_URL: 'rediss://gateway:example-secret@redis.internal:6379',
      COGNITO_GATEWAY__SESSION__KEYS__0__FILE: join(workspace.folder, 'session-key'),
      COGNITO_GATEWAY__CONTROL__TOKEN__FILE: workspace.write('control-token', newKey('control')),
      ...writeTlsFiles(t, workspace),
      ...writeIdentityFiles(workspace),
    },
  })
  t.equal(settings.applications[0]?.name, 'wiki')
})

t.test('everything that the example comments out is refused', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('session-key', newKey('session'))
  const files = { ...writeTlsFiles(t, workspace), ...writeIdentityFiles(workspace) }
  const all = read('config/gateway.example.yaml').replaceAll(/^( *)#(\w+:)/gm, '$1$2')
  const faults = workspace.faults(all, {
    CLIENT_SECRET: 'example-secret',
    REDIS_URL: 'rediss://gateway:example-secret@redis.internal:6379',
    COGNITO_GATEWAY__SESSION__KEYS__0__FILE: 'session-key',
    COGNITO_GATEWAY__CONTROL__TOKEN__FILE: workspace.write('control-token', newKey('control')),
    ...files,
  })
  const expected = describeSettings().filter(
    ({ path, supported }) =>
      !supported &&
      !path
        .split('.')
        .slice(0, -1)
        .some((_, at, keys) => isUnsupported(keys.slice(0, at + 1).join('.'))),
  )
  for (const { path } of expected) {
    const key = path.split('.').at(-1) ?? ''
    t.ok(
      faults.some((fault) => new RegExp(`[ .]${key}(?:\\[\\d\\])?: is not supported yet`).test(fault)),
      path,
    )
  }
  t.equal(faults.length, expected.length, faults.join('\n'))
})

t.test('the published schema says of files what loading them says', async (t) => {
  const schema: unknown = JSON.parse(publishedSchema())
  t.ok(isMap(schema))
  t.match(schema, { $schema: 'http://json-schema.org/draft-07/schema#', additionalProperties: false })
  const app = Fastify({
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, strict: false } },
  })
  t.teardown(() => app.close())
  app.post('/', { schema: { body: schema } }, async () => 'fine')
  const status = async (text: string): Promise<number> =>
    (await app.inject({ method: 'POST', url: '/', payload: parse(text) as object })).statusCode
  t.equal(await status(read('config/gateway.example.yaml')), 200)
  t.equal(await status(read('config/demo.yaml')), 200)
  t.equal(await status(minimalWith({})), 200)
  t.equal(await status(minimalWith({ sesion: {} })), 400)
  t.equal(await status(minimalWith({ 'session.idleTimeoutSeconds': 0 })), 400)
  t.equal(await status(minimalWith({ 'pools.staff.userPoolId': 'nowhere' })), 400)
  t.equal(await status(minimalWith({ 'applications.Wiki': {} })), 400)
  t.equal(await status(minimalWith({ 'defaults.access': 'public' })), 400)
})

t.test('every property of the published schema has its sentence', async (t) => {
  const bare: string[] = []
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) value.forEach((member: unknown) => visit(member, path))
    if (!isMap(value)) return
    const { properties } = value
    for (const [name, property] of Object.entries(isMap(properties) ? properties : {}))
      if (!isMap(property) || typeof property['description'] !== 'string') bare.push(`${path}.${name}`)
    for (const [name, member] of Object.entries(value)) visit(member, `${path}.${name}`)
  }
  visit(JSON.parse(publishedSchema()), '')
  t.same(bare, [])
})

t.test('the demo loads', async (t) => {
  const workspace = createWorkspace(t)
  const { settings } = workspace.load(read('config/demo.yaml').replaceAll('../.demo/', ''))
  t.equal(settings.publicUrl, 'http://localhost:8080')
  t.same(
    settings.applications[0]?.routes.map(({ name, path, methods, access }) => [name, path, methods, access]),
    [
      ['sample', '/*', null, 'signedIn'],
      ['sample/public', '/public/*', null, 'public'],
      ['sample/admin', '/admin/*', null, [{ groups: ['admins'] }]],
      ['sample/orders-read', '/api/orders/*', ['GET', 'HEAD'], [{ scopes: ['orders/read'] }]],
      ['sample/orders-write', '/api/orders/*', null, [{ scopes: ['orders/write'] }]],
    ],
  )
})
