import { existsSync } from 'node:fs'
import t from 'tap'
import { newContext, picture, startBrowser } from '../helpers/browser.ts'
import { startWorld } from '../helpers/world.ts'

const skip = existsSync('/usr/bin/chromium') ? false : 'no Chromium on this machine'

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40" rx="8" fill="#0b6b3a"/></svg>'

t.test('two hosts and one callback host, in a real browser', { skip, timeout: 90_000 }, async (t) => {
  const application = { upstream: '%UPSTREAM%', access: 'signedIn', signInBy: 'page' }
  const world = await startWorld(t, {
    settings: {
      applications: {
        wiki: { ...application, hosts: ['wiki.localhost'] },
        build: {
          ...application,
          hosts: ['build.localhost'],
          publicFiles: ['/logo.svg'],
          branding: { name: 'Build server', logo: '/logo.svg', colour: '#0b6b3a' },
          routes: { secret: { path: '/secret', access: [{ groups: ['nobody'] }] } },
        },
      },
    },
    answer: ({ url: path, headers }, response) =>
      path === '/logo.svg'
        ? response.writeHead(200, { 'content-type': 'image/svg+xml' }).end(LOGO)
        : response
            .writeHead(200, { 'content-type': 'text/html' })
            .end(
              `<!doctype html><title>${headers.host ?? ''}</title><p>hello ${String(headers['x-forwarded-email'])}</p>`,
            ),
  })
  const { url, port, pool } = world
  const at = (host: string, path = '/'): string => `http://${host}.localhost:${port}${path}`
  const page = await (await newContext(await startBrowser(t))).newPage()
  const visited: string[] = []
  page.on('framenavigated', (frame) => visited.push(frame.url()))

  await page.goto(at('wiki', '/page#part'))
  await page.getByLabel('Username').fill('alice')
  await page.getByLabel('Password', { exact: true }).fill('Passw0rd!')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL(at('wiki', '/page#part'))
  t.match(await page.textContent('body'), 'hello alice@example.com')

  await t.test('the second host asks nobody, and keeps the fragment of the address', async (t) => {
    visited.length = 0
    await page.goto(at('build', '/jobs#last'))
    await page.waitForURL(at('build', '/jobs#last'))
    t.match(await page.textContent('body'), 'hello alice@example.com')
    t.notOk(visited.some((address) => address.startsWith(pool.url)))
  })

  await t.test('scripts of a page are let in by the cookie of its own host', async (t) => {
    const status = await page.evaluate<number>(`fetch('/data').then((answer) => answer.status)`)
    t.equal(status, 200)
    const cookies = await page.context().cookies([at('wiki'), at('build'), url])
    const sessions = cookies.filter(({ name }) => name === '__Host-gateway')
    t.equal(new Set(sessions.map(({ value }) => value)).size, 3)
  })

  await t.test('a page of ours looks like the application that it is about', async (t) => {
    await page.goto(at('build', '/secret'))
    t.match(await page.textContent('body'), /Build server[^]*may not open/)
    const { width, ground, text } = await page.evaluate<Record<string, unknown>>(`(() => {
      const { backgroundColor, color } = getComputedStyle(document.querySelector('.button'))
      return { width: document.querySelector('img').naturalWidth, ground: backgroundColor, text: color }
    })()`)
    t.same([width, ground, text], [120, 'rgb(11, 107, 58)', 'rgb(255, 255, 255)'], 'as the policy of the page allows')
    await picture(page, 'branded-refusal')
  })

  await t.test('a sign-out on one host signs out on both, and the page of neither comes back', async (t) => {
    await page.goto(at('build', '/oauth2/sign_out'))
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await page.waitForURL(`${url}/oauth2/signed_out`)
    await page.goto(at('wiki', '/page'))
    await page.getByLabel('Username').waitFor()
    t.ok(page.url().startsWith(pool.url))
  })
})
