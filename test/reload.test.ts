import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { createMetrics } from '../src/adapters/metrics.ts'
import { loadSettings } from '../src/config/load.ts'
import { followSettings } from '../src/reload.ts'
import { valueOf } from './helpers/gateway-process.ts'
import { until } from './helpers/until.ts'
import { startWorld, type World, type WorldOptions } from './helpers/world.ts'

/** A world whose settings and keys an operator changes while it runs. */
async function startChanging(t: Parameters<typeof startWorld>[0], options: WorldOptions = {}) {
  const world = await startWorld(t, options)
  const folder = dirname(world.settingsFile)
  const host = new URL(world.url).host
  const write = (name: string, text = randomBytes(32).toString('base64url')): void =>
    writeFileSync(join(folder, name), text, { mode: 0o600 })
  const edit = async (change: (settings: any) => void): Promise<void> => {
    const settings: unknown = JSON.parse(readFileSync(world.settingsFile, 'utf8'))
    change(settings)
    writeFileSync(world.settingsFile, JSON.stringify(settings))
    await world.gateway.reload()
  }
  const keys = async (...names: readonly string[]): Promise<void> =>
    edit((settings) => {
      settings.session.keys = names.map((file) => ({ file }))
    })
  const signedIn = async () => {
    const browser = world.client()
    await browser.signIn(`${world.url}/page`)
    const jar = browser.jarOf(host)
    return { browser, cookie: () => jar.get('__Host-gateway') ?? '' }
  }
  const ask = async (cookie: string, path = '/page') =>
    world.client().ask(`${world.url}${path}`, { headers: { cookie: `__Host-gateway=${cookie}` } })
  const counted = async (series: string): Promise<number> => valueOf(await world.metrics(), `cognito_gateway_${series}`)
  return { ...world, folder, write, edit, keys, signedIn, ask, counted }
}

const lines = ({ log }: Pick<World, 'log'>, event: string) =>
  log.map((line) => JSON.parse(line)).filter((line) => line.event === event)

t.test('K21 a key is added, made the first and the old one removed while people go on working', async (t) => {
  const world = await startChanging(t, {
    answer: (_request, response) => {
      response.setHeader('cache-control', 'public, max-age=600')
      response.end('ok')
    },
  })
  const { browser, cookie } = await world.signedIn()
  const onOldKey = cookie()
  world.write('next-key')
  await world.keys('session-key', 'next-key')
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  t.equal(cookie(), onOldKey, 'a second key changes nothing yet')
  await world.keys('next-key', 'session-key')
  t.equal((await browser.ask(`${world.url}/static.css`)).status, 200)
  t.not(cookie(), onOldKey, 'sealed anew, on an answer too that a cache would have kept')
  t.equal(await world.counted('sessions_on_old_key_total'), 1)
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  t.equal(await world.counted('sessions_on_old_key_total'), 1, 'once per session')
  await world.keys('next-key')
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  t.equal((await world.ask(onOldKey)).status, 401, 'a removed key opens nothing, remembered or not')
  t.equal(await world.counted('config_reloads_total{result="applied"}'), 3)
  t.same(
    lines(world, 'settings_applied').map((line) => line.settings),
    [['session.keys'], ['session.keys'], ['session.keys']],
  )
})

t.test('a sign-in and a form that were begun under the old key end well under the new one', async (t) => {
  const world = await startChanging(t)
  const browser = world.client()
  const login = await browser.visit(`${world.url}/page`)
  world.write('next-key')
  await world.keys('next-key', 'session-key')
  const landed = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, `${world.url}/page`)
  t.notOk(
    browser.trail.slice(1).some((address) => address.includes('/oauth2/authorize')),
    'without starting over',
  )
  const confirm = await browser.visit(`${world.url}/oauth2/sign_out`)
  await world.keys('session-key', 'next-key')
  t.equal((await browser.submit(confirm, {})).url, `${world.url}/oauth2/signed_out`)
})

t.test('a sign-in whose key is gone when it comes back ends in a page, and the next one is silent', async (t) => {
  const world = await startChanging(t)
  const browser = world.client()
  const login = await browser.visit(`${world.url}/page`)
  world.write('next-key')
  await world.keys('next-key', 'session-key')
  const back = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' }, { follow: false })
  await world.keys('next-key')
  const callback = back.header('location') ?? ''
  t.equal(
    (await browser.ask(callback, { headers: { 'sec-fetch-dest': 'document' } })).status,
    400,
    'its state is unknown',
  )
  t.equal((await browser.visit(`${world.url}/page`)).status, 200, "and Cognito's session makes the next one silent")
})

t.test(
  'a session under a key that this replica does not know yet is no session, and the browser keeps it',
  async (t) => {
    const world = await startChanging(t)
    world.write('next-key')
    await world.keys('next-key')
    const { cookie } = await world.signedIn()
    await world.keys('session-key')
    const answer = await world.ask(cookie())
    t.equal(answer.status, 401)
    t.equal(answer.header('set-cookie'), undefined)
    t.equal(lines(world, 'request').at(-1)?.reason, 'session_key_unknown')
    for (const broken of [cookie().slice(0, -1), `${cookie()}A`, cookie().replace('..', '.x.'), `A${cookie()}`])
      t.match((await world.ask(broken)).header('set-cookie'), '__Host-gateway=; Max-Age=0', 'what is malformed goes')
    await world.keys('session-key', 'next-key')
    t.equal((await world.ask(cookie())).status, 200)
  },
)

t.test('a key file that is overwritten, or a mounted link that is swapped, signs nobody out', async (t) => {
  const world = await startChanging(t)
  const { browser, cookie } = await world.signedIn()
  const onOldKey = cookie()
  world.write('session-key')
  await world.gateway.reload()
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  t.not(cookie(), onOldKey)
  const before = cookie()
  world.write('mounted-key')
  symlinkSync(join(world.folder, 'mounted-key'), join(world.folder, 'link'))
  renameSync(join(world.folder, 'link'), join(world.folder, 'session-key'))
  await world.gateway.reload()
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  t.not(cookie(), before)
  world.write('next-key')
  await world.keys('next-key')
  t.equal((await world.ask(onOldKey)).status, 401, 'but not once its file is off the list')
})

t.test('what changes is noticed without being told', async (t) => {
  const world = await startChanging(t)
  const load = () => loadSettings({ file: world.settingsFile, environment: {} })
  const adopted: string[] = []
  const following = followSettings(
    {
      adopt: ({ session }) => void adopted.push(...session.keys.map((key) => key.reveal())),
      log: pino({ level: 'silent' }),
      metrics: createMetrics(),
    },
    { loaded: load(), load, everyMs: 5 },
  )
  t.teardown(() => following.stop())
  for (const key of [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('base64url'))) {
    world.write('session-key', key)
    await until(() => adopted.at(-1) === key)
  }
  following.stop()
  t.pass()
})

t.test('settings with a fault change nothing, are told about once, and are taken when they are mended', async (t) => {
  const world = await startChanging(t)
  const { browser } = await world.signedIn()
  await world.keys('missing-key', 'session-key')
  await world.gateway.reload()
  const [refused, ...more] = lines(world, 'settings_refused')
  t.match(refused.faults, [/session\.keys\[0\].*missing-key/])
  t.same(more, [])
  t.equal(await world.counted('config_reloads_total{result="refused"}'), 1)
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  world.write('missing-key')
  await world.gateway.reload()
  t.equal(lines(world, 'settings_applied').length, 1, 'the file came after the settings that name it')
  rmSync(world.settingsFile)
  await world.gateway.reload()
  t.equal(lines(world, 'settings_refused').length, 2)
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
})

t.test('A14 K21 what cannot change while the gateway runs is named in a warning, without its value', async (t) => {
  const world = await startChanging(t)
  await world.edit((settings) => {
    settings.shutdown.drainDelaySeconds = 7
    settings.applications.sample.routes.admin.access = [{ groups: ['canary'] }]
    settings.log = { level: 'warn' }
  })
  await world.gateway.reload()
  const warnings = lines(world, 'restart_needed')
  t.equal(warnings.length, 1)
  t.same(warnings[0].settings, ['shutdown.drainDelaySeconds', 'applications.sample.routes.admin.access'])
  t.notMatch(world.log.join(''), 'canary')
  t.equal(await world.counted('config_reloads_total{result="restart_needed"}'), 1)
  const { browser } = await world.signedIn()
  t.equal((await browser.ask(`${world.url}/admin/x`)).status, 200, 'the rule from before decides until then')
  const before = world.log.length
  await world.client().ask(`${world.url}/page`)
  t.equal(world.log.length, before, 'while the level of the log holds at once')
})

t.test('a client secret that was changed at Cognito and in its file is used from the next request on', async (t) => {
  const world = await startChanging(t)
  const { browser } = await world.signedIn()
  world.write('client-secret', 'the-next-secret')
  await world.gateway.reload()
  world.pool.faults.push({
    on: 'token',
    when: { client_secret: 'the-next-secret' },
    status: 400,
    body: { error: 'invalid_grant' },
  })
  world.clock.advance(301)
  t.equal((await browser.ask(`${world.url}/page`)).status, 401, 'the pool was shown the new one')
  t.same(lines(world, 'settings_applied')[0].settings, ['pools.local.clientSecret'])
})
