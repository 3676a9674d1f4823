import { existsSync } from 'node:fs'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startSampleApplication } from '../../src/local/sample-application.ts'
import { newContext, picture, startBrowser } from '../helpers/browser.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { startReplica } from '../helpers/replicas.ts'
import { startWorld } from '../helpers/world.ts'

const skip = existsSync('/usr/bin/chromium') ? (noRedis ?? false) : 'no Chromium on this machine'

async function signIn(page: Page): Promise<void> {
  await page.getByLabel('Username').fill('alice')
  await page.getByLabel('Password', { exact: true }).fill('Passw0rd!')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

t.test('signing out on all devices in one browser signs out the other, at another replica', { skip }, async (t) => {
  const [browser, redis, sample] = await Promise.all([
    startBrowser(t),
    startRedis(t),
    startSampleApplication({ host: '127.0.0.1', port: 0 }),
  ])
  t.teardown(async () => sample.close())
  const world = await startWorld(t, { upstream: sample.url, redisUrl: redis.url })
  const other = await startReplica(t, world)
  const [here, there] = await Promise.all([
    newContext(browser).then(async (context) => context.newPage()),
    newContext(browser).then(async (context) => context.newPage()),
  ])
  for (const page of [here, there]) {
    await page.goto(`${world.url}/`)
    await signIn(page)
    await page.waitForURL(`${world.url}/`)
  }
  // A browser has one cookie for all ports of a host, as if somebody in front chose the replica.
  await there.evaluate(`void (window.ended = new Promise((resolve) => {
    const socket = new WebSocket('${other.url.replace('http', 'ws')}/ws')
    socket.onopen = () => { window.isOpen = true }
    socket.onclose = ({ code, reason }) => resolve(code + ' ' + reason)
  }))`)
  await there.waitForFunction('window.isOpen === true')

  await here.goto(`${world.url}/oauth2/sign_out`)
  await picture(here, 'confirm-sign-out-everywhere')
  await here.getByRole('button', { name: 'Sign out on all devices' }).click()
  await here.waitForURL(`${world.url}/oauth2/signed_out`)
  t.equal(await there.evaluate('window.ended'), '4401 session ended')
  world.clock.advance(2)
  await there.goto(`${other.url}/`)
  await there.getByLabel('Password', { exact: true }).waitFor()
  t.ok(there.url().startsWith(`${world.pool.url}/login`), 'though Cognito still knew that browser')
  await signIn(there)
  await there.getByText('alice@example.com').first().waitFor()
  t.ok(there.url().startsWith(`${world.url}/`))
})
