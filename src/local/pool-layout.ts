import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { html, trusted, type Markup } from './markup.ts'

const STYLE = `
:root { color-scheme: light dark; --ground: #eef1f6; --card: #fff; --ink: #1b2430; --quiet: #5a6675; --line: #cfd6e0;
  --accent: #2457c5; --on-accent: #fff; --alarm: #a51d2d; --alarm-ground: #fdecee; --note-ground: #eef3fd }
@media (prefers-color-scheme: dark) { :root { --ground: #11161d; --card: #1a212b; --ink: #e6ebf2; --quiet: #9aa7b6;
  --line: #3a4553; --accent: #8db1ff; --on-accent: #0d1a33; --alarm: #ffb3ba; --alarm-ground: #3b1a20; --note-ground: #1b2a44 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem 1rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 25rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 2rem;
  box-shadow: 0 8px 30px rgb(10 20 40 / 8%) }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 1.25rem; font-size: .875rem; font-weight: 600; color: var(--quiet) }
.brand::before { content: ""; width: .75rem; height: .75rem; border-radius: 50%; border: 3px solid var(--accent) }
h1 { font-size: 1.375rem; line-height: 1.25; margin: 0 0 .375rem }
p { margin: 0 0 1rem }
.lead, .foot { color: var(--quiet); font-size: .9375rem }
.foot { font-size: .8125rem; text-align: center; margin: 1rem 0 0 }
label { display: block; font-weight: 600; font-size: .875rem; margin: 1rem 0 .375rem }
input { width: 100%; font: inherit; color: inherit; background: transparent; border: 1px solid var(--quiet); border-radius: 8px; padding: .625rem .75rem }
button, .button { display: block; width: 100%; font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer;
  border: 1px solid var(--accent); border-radius: 8px; padding: .625rem .75rem; margin-top: 1.25rem; background: var(--accent); color: var(--on-accent) }
.button { background: transparent; color: var(--accent); margin-top: .75rem }
button:hover, .button:hover { filter: brightness(1.08) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
a { color: var(--accent) }
.links { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; justify-content: space-between; margin: 1.25rem 0 0; font-size: .9375rem }
.divider { display: flex; align-items: center; gap: .75rem; color: var(--quiet); font-size: .875rem; margin: 1.5rem 0 0 }
.divider::before, .divider::after { content: ""; flex: 1; border-top: 1px solid var(--line) }
.alert, .note { border-radius: 8px; padding: .625rem .875rem; margin: 1rem 0 0; font-size: .9375rem }
.alert { background: var(--alarm-ground); color: var(--alarm); border: 1px solid }
.note { background: var(--note-ground) }
.note + p { margin: 1rem 0 0 }
.hint { color: var(--quiet); font-size: .8125rem; margin: .375rem 0 0 }
code { font: .9375em ui-monospace, monospace; overflow-wrap: anywhere }
.code { font-size: 1.25rem; letter-spacing: .15em }
`

// Whole, because the policy below names the digest of exactly these bytes.
const STYLE_ELEMENT = trusted(`<style>${STYLE}</style>`)
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; base-uri 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'strict-origin-when-cross-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export interface Page {
  readonly title: string
  /** Who speaks; the pool itself when absent. */
  readonly brand?: string
  readonly content: Markup
}

/** Sends a page: complete, without scripts, never cached, never framed. */
export function sendPage(reply: FastifyReply, page: Page, status = 200): FastifyReply {
  return reply.code(status).headers(HEADERS).type('text/html; charset=utf-8').send(render(page).text)
}

const render = ({ title, brand = 'Local user pool', content }: Page): Markup =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · ${brand}</title>
        <link rel="icon" href="data:," />
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>
          <div class="card">
            <p class="brand">${brand}</p>
            <h1>${title}</h1>
            ${content}
          </div>
          <p class="foot">A stand-in for Amazon Cognito on this machine, for development and tests. It is not AWS.</p>
        </main>
      </body>
    </html> `
