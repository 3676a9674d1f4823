import { existsSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import { newContext, picture, startBrowser } from '../helpers/browser.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

const skip = existsSync('/usr/bin/chromium') ? false : 'no Chromium on this machine'

/** Pages that say how they may be kept, a sign-out by link and by script, and a page that sends everybody to sign in again. */
function answer({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url, 'http://application')
  if (pathname === '/logout') {
    response.writeHead(302, { location: '/', 'set-cookie': 'APPSESSION=; Path=/; Max-Age=0' }).end()
    return
  }
  if (pathname === '/loop') {
    response.writeHead(302, { location: '/oauth2/start?rd=/loop' }).end()
    return
  }
  const kept = searchParams.get('kept')
  if (kept !== null) response.setHeader('cache-control', kept)
  const email = String(headers['x-forwarded-email'])
  if (headers.cookie?.includes('APPSESSION=') !== true)
    response.setHeader('set-cookie', `APPSESSION=of-${email}; Path=/; HttpOnly`)
  response.setHeader('content-type', 'text/html')
  response.end(`<!doctype html><title>Secret page</title><p>secret of ${email}</p><p>${headers.cookie ?? ''}</p>
<a href="/two?kept=max-age=600">Next</a> <a href="/logout">Leave</a>`)
}

async function startSecrets(t: Parameters<typeof startWorld>[0]): Promise<World> {
  const application = { bindCookies: ['APPSESSION'], signOut: { paths: ['/logout'] } }
  return startWorld(t, {
    settings: { applications: { sample: { upstream: '%UPSTREAM%', access: 'signedIn', ...application } } },
    answer,
  })
}

async function signIn(page: Page, username = 'alice'): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill('Passw0rd!')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

const textOf = async (page: Page): Promise<string> =>
  page.evaluate<string>('`${location.href} ${document.body.innerText}`').catch(() => '')

/** Goes back as far as it goes, and tells what there was to see on the way. */
async function allTheWayBack(page: Page): Promise<readonly string[]> {
  const seen: string[] = []
  while (!page.url().startsWith('about:')) {
    const before = await textOf(page)
    // The page may be gone before it has answered.
    await page.evaluate('history.back()').catch(() => undefined)
    await until(async () => ![before, ''].includes(await textOf(page)))
    seen.push(await textOf(page))
  }
  return seen
}

/** A person who has seen three pages, each of which the browser may keep in another way. */
async function readSecrets({ url }: World, context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${url}/one`)
  await signIn(page)
  await page.waitForURL(`${url}/one`)
  await page.getByRole('link', { name: 'Next' }).click()
  await page.waitForURL(`${url}/two?**`)
  await page.goto(`${url}/three?kept=private,no-cache`)
  return page
}

t.test('in a real browser', { skip, timeout: 170_000 }, async (t) => {
  const browser = await startBrowser(t, { keepsPages: true })
  const world = await startSecrets(t)
  const { url, pool } = world

  const signOuts: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
    "with the gateway's button": async (page) => {
      await page.goto(`${url}/oauth2/sign_out`)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.waitForURL(`${url}/oauth2/signed_out`)
    },
    "with the application's own link": async (page) => {
      await page.getByRole('link', { name: 'Leave' }).click()
      await page.waitForURL(`${url}/oauth2/signed_out`)
    },
    'by a script of the application': async (page) => {
      await page.evaluate(async () => fetch('/logout', { method: 'POST', redirect: 'manual' }))
      await page.goto(`${url}/one`)
      await page.getByLabel('Username').waitFor()
    },
    'in another tab': async (page) => {
      await page.goto(`${pool.url}/nothing`)
      const other = await page.context().newPage()
      await other.goto(`${url}/oauth2/sign_out`)
      await other.getByRole('button', { name: 'Sign out' }).click()
      await other.waitForURL(`${url}/oauth2/signed_out`)
    },
  }
  for (const [way, leave] of Object.entries(signOuts)) {
    t.test(`O12 the back button shows nothing of the application after a sign-out ${way}`, async (t) => {
      const context = await newContext(browser)
      const page = await readSecrets(world, context)
      await leave(page)
      const seen = await allTheWayBack(page)
      t.ok(seen.length >= 3)
      t.notMatch(seen.join('\n'), 'secret of')
      t.same(
        (await context.cookies(url)).filter(({ name }) => name === '__Host-gateway' || name === 'APPSESSION'),
        [],
      )
      await page.goto(`${url}/one`)
      await page.getByLabel('Username').waitFor()
      await context.close()
    })
  }

  t.test('without a sign-out the back button works as ever, pages kept in memory included', async (t) => {
    const context = await newContext(browser)
    const page = await readSecrets(world, context)
    await page.goto(`${url}/oauth2/signed_out`)
    const asked = world.application.seen.length
    const seen = await allTheWayBack(page)
    t.equal(seen.filter((text) => text.includes('secret of alice@example.com')).length, 3)
    const again = world.application.seen.slice(asked).map((one) => one.url)
    t.same(
      again.filter((one) => one !== '/favicon.ico'),
      [],
      'and nobody is asked for them',
    )
    await context.close()
  })

  t.test('C09 whoever signs in as someone else in a second tab leaves nothing of the first', async (t) => {
    const context = await newContext(browser)
    const [first, second] = [await context.newPage(), await context.newPage()]
    await first.goto(`${url}/one?tab=first`)
    await second.goto(`${url}/one?tab=second`)
    await signIn(first, 'alice')
    await first.waitForURL(`${url}/one?tab=first`)
    await first.getByText('secret of alice@example.com').waitFor()
    const before = (await context.cookies(url)).find(({ name }) => name === '__Host-gateway')?.value

    await signIn(second, 'bob')
    await second.waitForURL(`${url}/one?tab=second`)
    await second.getByText('secret of bob@example.com').waitFor()
    t.notMatch(await textOf(second), 'of-alice', "the application's session of alice stays behind")
    await first.reload()
    t.match(await textOf(first), /secret of bob@example\.com\s+APPSESSION=of-bob@example\.com/)
    t.notMatch((await allTheWayBack(first)).join('\n'), 'alice@example.com')
    const replaced = await world.client().ask(`${url}/one`, { headers: { cookie: `__Host-gateway=${before}` } })
    t.equal(replaced.status, 401, "alice's session has ended")
    await context.close()
  })

  t.test('L16 an application that sends people to sign in again and again is stopped by a page', async (t) => {
    const context = await newContext(browser)
    const page = await context.newPage()
    await page.goto(`${url}/loop`)
    await signIn(page)
    await page.getByRole('heading', { name: 'Signing in does not hold' }).waitFor()
    await picture(page, 'sign-in-loop')
    t.match(await textOf(page), /Reference [\w-]{36} · GW_SIGN_IN_LOOP/)
    t.equal(page.url(), `${url}/oauth2/start?rd=/loop`)
    await page.goto(`${url}/one`)
    await page.getByText('secret of alice').waitFor()
    await context.close()
  })
})
