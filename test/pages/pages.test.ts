import { createHash } from 'node:crypto'
import t from 'tap'
import { catalogue, type ErrorCode } from '../../src/domain/errors.ts'
import { confirmSignOutPage } from '../../src/pages/confirm-sign-out-page.ts'
import { diagnosePage } from '../../src/pages/diagnose-page.ts'
import { errorPage } from '../../src/pages/error-page.ts'
import { forbiddenPage } from '../../src/pages/forbidden-page.ts'
import { framePage } from '../../src/pages/frame-page.ts'
import { keptFormPage } from '../../src/pages/kept-form-page.ts'
import { pageHeaders } from '../../src/pages/layout.ts'
import { onwardPage } from '../../src/pages/onward-page.ts'
import { refusedFormPage, resumePage, sendFormPage } from '../../src/pages/resume-pages.ts'
import { signInPage } from '../../src/pages/sign-in-page.ts'
import { signInRequiredPage } from '../../src/pages/sign-in-required-page.ts'
import { signedOutPage } from '../../src/pages/signed-out-page.ts'

const codes = Object.keys(catalogue) as ErrorCode[]

/** Every page, each of its values being the given text. Those that run our script do so from its one address. */
const all = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(pages(text)).map(([name, html]) => [
      name,
      html.replace(`<script src="${SCRIPT}" defer></script>`, ''),
    ]),
  )

const SCRIPT = '/oauth2/keep.js?version'

const pages = (text: string): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(
    codes.map((code) => [
      code,
      errorPage({ code, reference: text, signInAgain: text, home: text, retry: text, diagnose: text }),
    ]),
  ),
  forbidden: forbiddenPage({
    reference: text,
    who: text,
    kinds: ['group', 'scope', 'claim', 'person', 'pool'],
    names: [text],
    switchAction: text,
    csrfToken: text,
    returnTo: text,
  }),
  signIn: signInPage({ providers: [{ label: text, href: text }], signUpHref: text, forgotHref: text }),
  signInRequired: signInRequiredPage({ reference: text, href: text, nothingSent: true }),
  frame: framePage({ href: text }),
  confirmSignOut: confirmSignOutPage({ who: text, action: text, csrfToken: text, everywhere: true, home: text }),
  signedOut: signedOutPage({ signInHref: text }),
  diagnose: diagnosePage({
    reference: text,
    now: 0,
    cookies: { own: [{ name: text, bytes: 1, fault: 'malformed' }], others: 0, totalBytes: 1 },
    maxHeaderBytes: 1,
    session: { kind: 'none' },
    logins: [
      {
        attempt: text,
        startedAt: 0,
        stage: 'came_back',
        result: 'failed',
        code: 'GW_SIGN_IN_REFUSED',
        references: [text],
      },
    ],
    version: text,
    signInHref: text,
    script: SCRIPT,
  }),
  onward: onwardPage({ reference: text, href: text, script: SCRIPT }),
  keptForm: keptFormPage({ reference: text, sealed: text, href: text, plainHref: text, script: SCRIPT }),
  resume: resumePage({ action: text, csrfToken: text, script: SCRIPT }),
  sendForm: sendFormPage({ who: text, path: text, form: { charset: 'utf-8', fields: [[text, text]] }, script: SCRIPT }),
  refusedForm: refusedFormPage({ why: 'expired', reference: text, script: SCRIPT }),
})

t.test('L14 O12 no value breaks out of a page, whatever it holds', async (t) => {
  for (const hostile of [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '`${alert(1)}`',
    '</style><script>',
  ]) {
    for (const [name, html] of Object.entries(all(hostile))) {
      t.notOk(html.includes(hostile), `${name} escapes ${hostile}`)
      t.notMatch(html, /<script|<img/, name)
    }
  }
})

t.test('every page has a language, a title, one heading, and nothing from elsewhere', async (t) => {
  for (const [name, html] of Object.entries(all('/x'))) {
    t.match(html, /^<!doctype html>\n<html lang="en">/, name)
    t.match(html, /<title>[^<]+<\/title>/, name)
    t.equal(html.match(/<h1>/g)?.length, 1, name)
    t.match(html, '<main>', name)
    t.notMatch(html, /<script|https?:|@import|url\(/, `${name} loads nothing`)
  }
})

t.test('the policy of the pages allows exactly the style that stands in them', async (t) => {
  for (const https of [true, false]) {
    const headers = pageHeaders({ https })
    const style = /<style>([\s\S]*?)<\/style>/.exec(signedOutPage({ signInHref: '/' }))?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    t.match(headers['content-security-policy'], `style-src 'sha256-${hash}'`)
    t.match(headers['content-security-policy'], "default-src 'none'")
    t.match(headers['content-security-policy'], "frame-ancestors 'none'")
    t.equal(headers['cache-control'], 'no-store')
    t.equal(headers['referrer-policy'], 'no-referrer')
    t.equal(headers['strict-transport-security'] !== undefined, https)
  }
  t.notMatch(pageHeaders({ https: true })['content-security-policy'], 'http:')
})

t.test('every failure has words of its own, its code and its reference', async (t) => {
  const titles = new Map<string, string>()
  for (const code of codes) {
    const html = errorPage({ code, reference: 'reference-1' })
    t.match(html, code)
    t.match(html, 'reference-1')
    const text = /role="alert">([^<]+)/.exec(html)?.[1] ?? ''
    t.ok(text.length > 20, `${code} explains itself`)
    t.equal(titles.get(text), undefined, `${code} says something else than ${titles.get(text)}`)
    titles.set(text, code)
  }
})

t.test('A16 the refusal names what is missing by kind, and by name only where it may', async (t) => {
  const page = (names: readonly string[]): string =>
    forbiddenPage({
      reference: 'r',
      who: 'bob@example.com',
      kinds: ['group'],
      names,
      switchAction: '/a',
      csrfToken: 'c',
      returnTo: '/b',
    })
  t.match(page([]), 'membership in a group')
  t.notMatch(page([]), '<li>')
  t.match(page(['admins']), '<li>admins</li>')
  t.match(page([]), 'bob@example.com')
})
