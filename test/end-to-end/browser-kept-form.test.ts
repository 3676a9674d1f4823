import { existsSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import { newContext, picture, startBrowser } from '../helpers/browser.ts'
import { startWorld, type World, type WorldOptions } from '../helpers/world.ts'

const skip = existsSync('/usr/bin/chromium') ? false : 'no Chromium on this machine'

const FIELDS =
  '<input name="subject"><textarea name="text"></textarea><input type="password" name="password"><input type="hidden" name="addEventListener" value="1"><input type="checkbox" name="tag" value="a" checked><input type="checkbox" name="tag" value="b" checked><button name="do" value="save">Save</button>'

/** An application with a form, with a form for files, and with one in an old character encoding. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const charset = request.url?.startsWith('/old') === true ? 'windows-1252' : 'utf-8'
  response.setHeader('content-type', `text/html; charset=${charset}`)
  if (request.method === 'POST') response.end('<h1>Saved</h1>')
  else if (request.url === '/files')
    response.end('<form method="post" enctype="multipart/form-data"><input type="file" name="f"><button>Send</button>')
  else response.end(`<title>Form</title><form method="post" action="${request.url ?? ''}">${FIELDS}</form>`)
}

const start = async (t: Parameters<typeof startWorld>[0], options: WorldOptions = {}): Promise<World> =>
  startWorld(t, { answer, ...options })

async function signIn(page: Page, username = 'alice'): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill('Passw0rd!')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** A person who has filled a form. */
async function filled(browser: Browser, url: string): Promise<Page> {
  const page = await (await newContext(browser)).newPage()
  await page.goto(url)
  await signIn(page)
  await page.waitForURL(url)
  await page.locator('[name=subject]').fill('Grüße & <b>more</b> “quoted”')
  await page.locator('[name=text]').fill('one\ntwo  three\n')
  await page.locator('[name=password]').fill('hunter2')
  return page
}
async function inBothColours(page: Page, name: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' })
  await picture(page, `${name}-dark`)
  await page.emulateMedia({ colorScheme: 'light' })
  await picture(page, name)
}
const save = async (page: Page): Promise<void> => page.getByRole('button', { name: 'Save' }).click()
const posts = ({ application }: World) => application.seen.filter(({ method }) => method === 'POST')

t.test('a form that is posted when the session is over', { skip, timeout: 170_000 }, async (t) => {
  const browser = await startBrowser(t)

  t.test(
    'is kept, shown to the same person after the sign-in, and sent by a click as its own page would have',
    async (t) => {
      const world = await start(t)
      const { url, clock, pool } = world
      for (const path of ['/form?a=1&b=%2F', '/old']) {
        const page = await filled(browser, url + path)
        await save(page)
        await page.getByText('Saved').waitFor()
        const [usual] = posts(world)
        world.application.seen.length = 0

        await page.goBack()
        // What no browser gives back.
        await page.locator('[name=password]').fill('hunter2')
        clock.advance(28_801)
        // A request in the background that comes first must not take the form's chance.
        const status = await page.evaluate(async () => (await fetch('/poll')).status)
        t.equal(status, 401)
        await save(page)
        await page.getByText('nothing was sent').waitFor()
        await page.getByText('What you typed is not lost').waitFor()
        t.equal(await page.getByText('runs no scripts').count(), 0)
        const look = async (name: string): Promise<void> => (path === '/old' ? inBothColours(page, name) : undefined)
        await look('form-kept')
        t.same(posts(world), [])

        await page.getByRole('link', { name: 'Sign in and continue' }).click()
        if (page.url().startsWith(pool.url)) await signIn(page)
        await page.getByText('Send your form now?').waitFor()
        const shown = await page.locator('main').innerText()
        t.match(shown, path)
        t.match(shown, 'alice@example.com')
        t.match(shown, 'Grüße & <b>more</b> “quoted”')
        t.notMatch(shown, 'hunter2')
        await look('form-resume')
        t.same(posts(world), [], 'nothing is sent before the click')
        await page.getByRole('button', { name: 'Send it' }).click()
        await page.getByText('Saved').waitFor()
        t.equal(page.url(), url + path)
        t.equal(posts(world).length, 1, 'sent once')
        t.equal(posts(world)[0]?.body.toString('latin1'), usual?.body.toString('latin1'), 'the very same bytes')
        t.equal(posts(world)[0]?.url, path)
        t.equal(posts(world)[0]?.headers['content-type'], usual?.headers['content-type'])
        world.application.seen.length = 0
        await page.goto(`${url}/oauth2/resume`)
        await page.getByText('No form is kept').waitFor()
        await look('form-nothing-kept')
        await page.context().close()
      }
      t.notMatch(world.log.join(''), /hunter2|quoted|Gr%C3|Grü/, 'and nothing of it stands in the log')
    },
  )

  t.test('because Cognito refused to renew it, is kept too; but nobody else gets to see or send it', async (t) => {
    const world = await start(t)
    const { url, clock, pool } = world
    const page = await filled(browser, `${url}/form`)
    pool.faults.push({ on: 'token', status: 400, body: { error: 'invalid_grant' } })
    clock.advance(301)
    await save(page)
    await page.getByText('What you typed is not lost').waitFor()
    await page.context().clearCookies()
    await page.getByRole('link', { name: 'Sign in and continue' }).click()
    await signIn(page, 'bob')
    await page.getByText('was not yours').waitFor()
    await picture(page, 'form-not-yours')
    t.notMatch(await page.content(), /Grüße|hunter2/)
    await page.goto(`${url}/oauth2/resume`)
    await page.getByText('No form is kept').waitFor()
    t.same(posts(world), [])
  })

  t.test('is kept for ten minutes only', async (t) => {
    const world = await start(t)
    const page = await filled(browser, `${world.url}/form`)
    world.clock.advance(28_801)
    await save(page)
    await page.getByText('What you typed is not lost').waitFor()
    world.clock.advance(600)
    await page.getByRole('link', { name: 'Sign in and continue' }).click()
    await page.waitForURL((address) => address.port !== String(world.port) || address.pathname === '/oauth2/resume')
    if (page.url().startsWith(world.pool.url)) await signIn(page)
    await page.getByText('these are over').waitFor()
    t.same(posts(world), [])
  })

  t.test('is not kept where it can hold files, or the browser runs no scripts, and the page says so', async (t) => {
    const world = await start(t)
    const { url, clock } = world
    const page = await filled(browser, `${url}/form`)
    await page.goto(`${url}/files`)
    clock.advance(28_801)
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('Forms that can hold files cannot be kept').waitFor()
    t.match(await page.locator('main').innerText(), 'nothing was sent')
    await picture(page, 'form-with-files')

    const plain = await browser.newContext({ javaScriptEnabled: false })
    const other = await plain.newPage()
    await other.goto(`${url}/form`)
    await signIn(other)
    await other.waitForURL(`${url}/form`)
    clock.advance(28_801)
    await save(other)
    await other.getByText('You are not signed in any more').waitFor()
    const told = await other.locator('main').innerText()
    t.match(told, 'nothing was sent')
    t.match(told, 'Your browser runs no scripts here')
    t.notMatch(told, 'What you typed is not lost')
    await picture(other, 'form-no-scripts')
    t.same(posts(world), [])
  })

  t.test('signInBy: page keeps the fragment of an address over the sign-in', async (t) => {
    const { url, clock } = await start(t, {
      settings: { applications: { app: { upstream: '%UPSTREAM%', access: 'signedIn', signInBy: 'page' } } },
    })
    const page = await (await newContext(browser)).newPage()
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) errors.push(message.text())
    })
    const address = `${url}/notes?q=1#/section/7%20a"\\é&rd=//evil.example`
    await page.goto(address)
    await signIn(page)
    await page.waitForURL((at) => at.pathname === '/notes')
    t.equal(page.url(), new URL(address).href.replace('\\', '%5C'))
    t.same(errors, [], 'nothing on our pages needs what their policy forbids')
    clock.advance(28_801)
    const plain = await browser.newContext({ javaScriptEnabled: false })
    const other = await plain.newPage()
    await other.goto(`${url}/notes#x`)
    await picture(other, 'sign-in-onward')
    await other.getByRole('link', { name: 'Sign in' }).click()
    await signIn(other)
    await other.waitForURL((at) => at.pathname === '/notes')
  })
})
