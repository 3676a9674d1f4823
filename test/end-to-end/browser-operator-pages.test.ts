import { existsSync } from 'node:fs'
import type { Page } from 'playwright-core'
import t from 'tap'
import { newContext, picture, startBrowser } from '../helpers/browser.ts'
import { startOperatorWorld } from '../helpers/operator-world.ts'
import { CLIENT_ID, CONTROL_TOKEN } from '../helpers/world.ts'

const skip = existsSync('/usr/bin/chromium') ? false : 'no Chromium on this machine'
const alice = {
  access: { sub: 'u1', username: 'alice', client_id: CLIENT_ID, scope: 'openid', 'cognito:groups': ['ops'] },
  id: { 'custom:tenant': 'acme', email: 'alice@example.com', email_verified: true },
}

/** As wide as a desk, light and dark, and as narrow as a telephone. */
async function pictures(page: Page, name: string): Promise<void> {
  await picture(page, `${name}-light`)
  await page.emulateMedia({ colorScheme: 'dark' })
  await picture(page, `${name}-dark`)
  await page.setViewportSize({ width: 390, height: 844 })
  await picture(page, `${name}-narrow`)
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.emulateMedia({ colorScheme: 'light' })
}

t.test('a person reads the routes and asks who may reach what, in a browser without scripts', { skip }, async (t) => {
  const [browser, world] = await Promise.all([startBrowser(t), startOperatorWorld(t)])
  const context = await newContext(browser)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => void complaints.push(message.text()))
  page.on('dialog', (dialog) => {
    complaints.push(dialog.message())
    void dialog.dismiss()
  })

  await page.goto(world.adminUrl)
  await picture(page, 'admin-index')
  await page.getByRole('link', { name: 'Routes', exact: true }).click()
  await page.getByRole('heading', { name: 'wiki', exact: true }).waitFor()
  await pictures(page, 'routes')
  t.equal(await page.locator('tbody tr').count(), 12)
  await page.getByRole('link', { name: 'orders', exact: true }).click()
  t.ok(page.url().endsWith('#app-orders'))
  await page.getByLabel('Filter').fill('finance')
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.waitForURL(/\?q=finance$/)
  t.equal(await page.locator('tbody tr').count(), 2)

  await page.goto(`${world.controlUrl}/reach`)
  await picture(page, 'reach-form')
  await page.getByLabel('Control token').fill('wrong')
  await page.getByLabel('Claims').fill(JSON.stringify(alice))
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByRole('alert').waitFor()
  await page.getByLabel('Control token').fill(CONTROL_TOKEN)
  await page.getByLabel('Claims').fill(JSON.stringify(alice))
  await page.getByRole('button', { name: 'Ask' }).click()
  const admin = page.locator('tr', { hasText: 'wiki/admin' })
  await admin.waitFor()
  t.match(await admin.innerText(), /allowed/)
  t.match(await page.locator('tr', { hasText: '/orders/items/' }).first().innerText(), /denied[\s\S]*GW_FORBIDDEN/)
  await pictures(page, 'reach')
  t.same(
    complaints.filter((text) => !text.includes('favicon') && !text.includes('status of')),
    [],
    'no script ran, and the policy of the pages forbids nothing of them',
  )
})
