import type { IncomingMessage } from 'node:http'
import { html, trusted, type Markup } from './markup.ts'

const STYLE = `
:root { color-scheme: light dark; --ground: #f7f4ee; --card: #fffdf9; --ink: #2c2a26; --quiet: #6a655b; --line: #ddd5c6; --accent: #8a3d12 }
@media (prefers-color-scheme: dark) { :root { --ground: #1c1a17; --card: #262320; --ink: #ece6db; --quiet: #aba394; --line: #453f37; --accent: #f0a878 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
header { border-bottom: 3px double var(--line); background: var(--card) }
header > div, main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem }
header a { color: inherit; text-decoration: none; font: 600 1.25rem/1.2 Georgia, serif }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin-top: .5rem; font-size: .9375rem }
nav a { font: inherit; color: var(--accent); text-decoration: underline; text-underline-offset: .2em }
h1 { font: 600 1.75rem/1.2 Georgia, serif; margin: .75rem 0 .5rem }
h2 { font: 600 1.125rem/1.3 Georgia, serif; margin: 1.75rem 0 .5rem }
p { max-width: 42rem }
a { color: var(--accent) }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); font-size: .9375rem }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem; border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap }
td { font-family: ui-monospace, monospace; font-size: .875rem; overflow-wrap: anywhere }
label { display: block; font-weight: 600; margin: .75rem 0 .25rem }
input, textarea { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--quiet); border-radius: 4px; padding: .5rem .625rem; width: 100%; max-width: 28rem }
button { display: block; font: inherit; font-weight: 600; padding: .5rem 1rem; margin-top: 1rem; border: 1px solid var(--accent); border-radius: 4px; background: var(--accent); color: var(--ground); cursor: pointer }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
pre { background: var(--card); border: 1px solid var(--line); padding: .75rem; min-height: 8rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere }
.quiet { color: var(--quiet) }
@media (max-width: 40rem) { tr, th, td { display: block } th { border: 0; padding-bottom: 0 } td { padding-top: 0 } }
`

const LINKS: readonly (readonly [string, string])[] = [
  ['/', 'Home'],
  ['/form', 'Form'],
  ['/poll', 'Polling'],
  ['/live', 'Live events'],
  ['/echo', 'Echo'],
  ['/upload', 'Upload'],
  ['/download?bytes=1048576', 'Download'],
  ['/api/orders/1', 'Order 1'],
  ['/admin/', 'Administration'],
  ['/public/', 'Public page'],
]

const page = (title: string, content: Markup): Markup =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Orders &amp; Notes</title>
        <link rel="icon" href="data:," />
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <header>
          <div>
            <a href="/">Orders &amp; Notes</a>
            <nav aria-label="Pages">${LINKS.map(([to, name]) => html`<a href="${to}">${name}</a>`)}</nav>
          </div>
        </header>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html> `

/** Greets whoever the usual headers name, and shows every header that came. */
export function homePage({ headers, rawHeaders }: IncomingMessage): Markup {
  const said = (name: string): string | undefined => [headers[name]].flat()[0]
  const name = said('x-forwarded-preferred-username') ?? said('x-forwarded-email') ?? said('x-forwarded-user')
  const groups = said('x-forwarded-groups')
  const rows = rawHeaders.flatMap((header, index) =>
    index % 2 === 0
      ? [
          html`<tr>
            <th scope="row">${header}</th>
            <td>${rawHeaders[index + 1]}</td>
          </tr>`,
        ]
      : [],
  )
  return page(
    name === undefined ? 'Welcome' : `Welcome, ${name}`,
    html`${name === undefined ? html`<p>Nobody is named in the headers of this request.</p>` : undefined}
      ${groups === undefined ? undefined : html`<p>Your groups: ${groups}</p>`}
      <h2>Headers of this request</h2>
      <table>
        ${rows}
      </table>`,
  )
}

export const formPage = (): Markup =>
  page(
    'A note',
    html`<form method="post" action="/form">
      <label for="subject">Subject</label><input id="subject" name="subject" required /> <label for="text">Text</label
      ><textarea id="text" name="text" rows="5"></textarea>
      <button type="submit">Save</button>
    </form>`,
  )

export const postedPage = (fields: readonly (readonly [string, string])[]): Markup =>
  page(
    'Your note was saved',
    html`<table>
        ${fields.map(
          ([name, value]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${value}</td>
            </tr>`,
        )}
      </table>
      <p><a href="/form">Write another</a></p>`,
  )

export const uploadPage = (): Markup =>
  page(
    'Upload',
    html`<form method="post" action="/upload" enctype="multipart/form-data">
        <label for="file">File</label><input id="file" name="file" type="file" required />
        <button type="submit">Send</button>
      </form>
      <p class="quiet">
        The answer tells the size and the SHA-256 of everything that was sent, the form's own framing included.
      </p>`,
  )

export const adminPage = (): Markup =>
  page(
    'Administration',
    html`<p>This page is for administrators. The application itself does not check who you are.</p>`,
  )

export const publicPage = (): Markup => page('Public page', html`<p>This page is for everybody.</p>`)

export const notFoundPage = (path: string): Markup =>
  page('Not found', html`<p>There is nothing at <code>${path}</code>.</p>`)

/** Asks for the time every two seconds and shows what comes, refusals included. */
export const pollPage = (): Markup =>
  page(
    'Polling',
    html`<p>This page asks for <code>/api/time</code> every two seconds.</p>
      <p id="state" role="status">Waiting for the first answer …</p>
      <pre id="output"></pre>
      ${trusted(`<script>${POLL}</script>`)}`,
  )

/** Shows the events of `/events` as they come. */
export const livePage = (): Markup =>
  page(
    'Live events',
    html`<p>These events come from <code>/events</code>, one every second.</p>
      <p id="state" role="status">Connecting …</p>
      <pre id="output"></pre>
      ${trusted(`<script>${LIVE}</script>`)}`,
  )

/** Sends lines over a WebSocket and shows what comes back. */
export const echoPage = (): Markup =>
  page(
    'Echo',
    html`<p id="state" role="status">Connecting …</p>
      <form id="form">
        <label for="line">Message</label><input id="line" autocomplete="off" />
        <button type="submit">Send</button>
      </form>
      <h2>Received</h2>
      <pre id="output"></pre>
      ${trusted(`<script>${ECHO}</script>`)}`,
  )

const SHOW = `
const state = document.getElementById('state'), output = document.getElementById('output')
const add = (line) => { output.textContent = (line + '\\n' + output.textContent).slice(0, 5000) }
`

const POLL = `${SHOW}
async function poll() {
  const when = new Date().toLocaleTimeString()
  try {
    const response = await fetch('/api/time', { headers: { accept: 'application/json' } })
    const text = await response.text()
    let content
    try { content = JSON.parse(text) } catch { content = {} }
    if (response.ok) state.textContent = 'The server answers.'
    else if (response.status === 401) state.textContent = 'The server answered 401: it does not know who you are any more. ' + (content.message ?? 'Reload this page.')
    else state.textContent = 'The server answered ' + response.status + '. ' + (content.message ?? '')
    add(when + '  ' + response.status + '  ' + (content.time ?? text.slice(0, 300)))
  } catch (error) {
    state.textContent = 'The server cannot be reached.'
    add(when + '  ' + error.message)
  }
}
poll()
setInterval(poll, 2000)
`

const LIVE = `${SHOW}
const source = new EventSource('/events')
source.onopen = () => { state.textContent = 'Connected.' }
source.onerror = () => { state.textContent = source.readyState === EventSource.CLOSED ? 'The server refused the stream. Reload this page.' : 'Connection lost; trying again …' }
source.addEventListener('tick', (event) => add(event.data))
`

const ECHO = `${SHOW}
const socket = new WebSocket(location.href.replace(/^http/, 'ws').replace(/\\/echo.*$/, '/ws'))
let opened = false
socket.onopen = () => { opened = true; state.textContent = 'Connected.' }
socket.onmessage = (event) => add(event.data)
socket.onclose = (event) => {
  state.textContent = (opened ? 'The connection has ended' : 'The connection was refused') + ' (code ' + event.code + (event.reason ? ', ' + event.reason : '') + '). Reload this page to try again.'
}
document.getElementById('form').onsubmit = (event) => {
  event.preventDefault()
  const line = document.getElementById('line')
  if (socket.readyState === WebSocket.OPEN) { socket.send(line.value); line.value = '' }
}
`
