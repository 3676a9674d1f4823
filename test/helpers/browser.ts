import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { root } from './process.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const EXECUTABLE = '/usr/bin/chromium'
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A real Chromium. Throws where none is installed. `keepsPages`: in memory for the way back, as people's own does. */
export async function startBrowser(t: Teardown, { keepsPages = false } = {}): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: keepsPages ? [...ARGUMENTS, '--enable-features=BackForwardCache'] : ARGUMENTS,
    ignoreDefaultArgs: keepsPages ? ['--disable-back-forward-cache'] : [],
  })
  t.teardown(async () => browser.close())
  return browser
}

/** A window of its own, with its own cookies; nothing in it is waited for longer than ten seconds. */
export async function newContext(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext()
  context.setDefaultTimeout(10_000)
  return context
}

/** Keeps a picture of the page where a person can look at it after the run. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = join(root, '.tap', 'pictures')
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}
