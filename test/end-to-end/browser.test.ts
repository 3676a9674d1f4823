import { existsSync } from 'node:fs'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startSampleApplication } from '../../src/local/sample-application.ts'
import { newContext, picture, startBrowser } from '../helpers/browser.ts'
import { startWorld, type WorldOptions } from '../helpers/world.ts'

const skip = existsSync('/usr/bin/chromium') ? false : 'no Chromium on this machine'

/** The sample application behind a gateway. */
async function startSample(t: { teardown(fn: () => unknown): unknown }, options: WorldOptions = {}) {
  const sample = await startSampleApplication({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => sample.close())
  return startWorld(t, { ...options, upstream: sample.url })
}

async function signIn(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

t.test('in a real browser', { skip, timeout: 170_000 }, async (t) => {
  const browser = await startBrowser(t)

  t.test('the whole journey: first visit, wrong password, right password, the page asked for, as alice', async (t) => {
    const { url, pool } = await startSample(t)
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/?from=the-link`)
    t.ok(page.url().startsWith(`${pool.url}/login`))
    await picture(page, 'local-pool-login')
    await signIn(page, 'alice', 'wrong')
    t.match(await page.getByRole('alert').innerText(), 'Incorrect username or password.')
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/?from=the-link`)
    const text = await page.locator('body').innerText()
    t.match(text, 'alice@example.com')
    t.match(text, 'admins,ops')
    t.notMatch(text, '__Host-gateway')
    await picture(page, 'sample-application')
    const cookies = await page.context().cookies(url)
    t.match(
      cookies.filter((cookie) => cookie.name.startsWith('__Host-gateway')),
      [{ name: '__Host-gateway', httpOnly: true, secure: true, sameSite: 'Lax' }],
    )
  })

  t.test('the page for help tells how far the clock of the browser is off', async (t) => {
    const { url, clock } = await startSample(t)
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/`)
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/`)
    await page.goto(`${url}/oauth2/callback?error=access_denied`)
    await page.getByRole('link', { name: 'It keeps happening' }).click()
    await page.getByText('Ours says').waitFor()
    t.match(await page.locator('main').innerText(), /yours: (?:the same|\d+ seconds ahead of it)\./)
    clock.advance(3_600)
    await page.reload()
    t.match(await page.locator('main').innerText(), /yours: 3[56]\d\d seconds behind it\./)
    t.match(await page.locator('main').innerText(), 'You are signed in')
    await picture(page, 'diagnose')
    await page.emulateMedia({ colorScheme: 'dark' })
    await picture(page, 'diagnose-dark')
  })

  t.test('bob may not open the admin page, and goes on as alice', async (t) => {
    const { url, pool } = await startSample(t)
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/admin/`)
    await signIn(page, 'bob', 'Passw0rd!')
    await page.getByText('bob@example.com').waitFor()
    await picture(page, 'forbidden')
    await page.getByRole('button', { name: 'Sign in as someone else' }).click()
    await page.getByLabel('Username').waitFor()
    t.ok(page.url().startsWith(pool.url), page.url())
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/admin/`)
    t.match(await page.locator('body').innerText(), /admin/i)
  })

  t.test('signing out asks for the password again', async (t) => {
    const { url, pool } = await startSample(t)
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/`)
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/`)
    await page.goto(`${url}/oauth2/sign_out`)
    await picture(page, 'confirm-sign-out')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${url}/oauth2/signed_out`)
    await picture(page, 'signed-out')
    await page.goto(`${url}/`)
    await page.getByLabel('Username').waitFor()
    t.ok(page.url().startsWith(`${pool.url}/login`))
    t.same(
      (await page.context().cookies(url)).filter((cookie) => cookie.name === '__Host-gateway'),
      [],
    )
  })

  t.test('two tabs that sign in at once both end where they wanted', async (t) => {
    const { url } = await startSample(t)
    const context = await newContext(browser)
    const [one, two] = [await context.newPage(), await context.newPage()]
    await one.goto(`${url}/form`)
    await two.goto(`${url}/upload`)
    await signIn(two, 'alice', 'Passw0rd!')
    await two.waitForURL(`${url}/upload`)
    await signIn(one, 'alice', 'Passw0rd!')
    await one.waitForURL(`${url}/form`)
    t.pass('both arrived')
  })

  t.test('a page that polls gets 401 JSON once the session has ended, and no redirect', async (t) => {
    const { url, clock } = await startSample(t)
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/`)
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/`)
    const ask = async () =>
      page.evaluate(async () => {
        const answer = await fetch('/api/time')
        return { status: answer.status, text: await answer.text(), redirected: answer.redirected }
      })
    t.equal((await ask()).status, 200)
    clock.advance(28_801)
    const ended = await ask()
    t.equal(ended.status, 401)
    t.equal(ended.redirected, false)
    t.match(JSON.parse(ended.text), { code: 'GW_SIGN_IN_REQUIRED', signIn: `${url}/oauth2/start?rd=%2F` })
  })

  t.test('forms, uploads and live events of the application work as without the gateway', async (t) => {
    const { url } = await startSample(t)
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/form`)
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/form`)
    await page.getByLabel('Subject').fill('A note')
    await page.getByLabel('Text').fill('Grüße & more')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Grüße & more').first().waitFor()
    const streamed = await page.evaluate(
      async () =>
        new Promise<string>((resolve, reject) => {
          const events = new EventSource('/events')
          events.addEventListener('tick', (event) => {
            events.close()
            resolve(event.type)
          })
          events.addEventListener('error', () => reject(new Error('the stream failed')))
        }),
    )
    t.equal(streamed, 'tick')
    const echoed = await page.evaluate(
      async (address) =>
        new Promise<string>((resolve) => {
          const one = new WebSocket(address)
          one.addEventListener('open', () => one.send('hello'))
          one.addEventListener('message', ({ data }) => resolve(String(data)))
          one.addEventListener('close', () => resolve('closed'))
        }),
      `ws://${new URL(url).host}/ws`,
    )
    t.match(echoed, 'hello')
  })

  t.test('wherever a return address points, the browser stays on the site', async (t) => {
    const { url } = await startSample(t)
    const context = await newContext(browser)
    const page = await context.newPage()
    await page.goto(`${url}/`)
    await signIn(page, 'alice', 'Passw0rd!')
    await page.waitForURL(`${url}/`)
    const hostile = [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      '/%09/evil.example',
      '/%5cevil.example',
      '/x/..//evil.example',
      'javascript:alert(1)',
      'https:evil.example',
      '/.//evil.example',
      '〵evil.example',
      `${url}@evil.example/`,
      'data:text/html,x',
    ]
    for (const target of hostile) {
      await page.goto(`${url}/oauth2/start?rd=${encodeURIComponent(target)}`)
      t.equal(new URL(page.url()).origin, url, target)
    }
  })

  t.test('the pages for people read well', async (t) => {
    const { url, pool } = await startSample(t, {
      settings: { pools: { local: { identityProviders: ['COGNITO', 'ExampleCorp'] } } },
    })
    const page = await (await newContext(browser)).newPage()
    await page.goto(`${url}/`)
    t.ok(page.url().startsWith(`${url}/oauth2/sign_in`))
    await picture(page, 'choose-sign-in')
    await page.goto(`${url}/oauth2/callback?error=access_denied`)
    await picture(page, 'sign-in-cancelled')
    await page.goto(`${url}/oauth2/callback?code=x&state=y`)
    await picture(page, 'sign-in-not-started-here')
    await page.goto(`${url}/oauth2/nothing`)
    await picture(page, 'not-found')
    pool.faults.push({ on: 'discovery', times: 5, status: 503, body: {} })
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' && message.text().includes('Content Security Policy')) errors.push(message.text())
    })
    await page.goto(`${url}/oauth2/signed_out`)
    t.same(errors, [], 'nothing on our pages needs what their policy forbids')
  })
})
