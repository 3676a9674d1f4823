import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { PATH_WORDS } from '../../src/domain/path-readings.ts'
import { foldPath, parseTarget } from '../../src/domain/request-target.ts'
import { corpusFor } from '../attacks/corpus.ts'
import { startProgram } from '../helpers/program.ts'
import { openRawConnection } from '../helpers/raw-http.ts'
import { freePort, startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** An application server that says in `X-Path` as which path it understood a request; its bytes as Latin-1. */
interface Server {
  readonly name: string
  readonly skip: string | false
  start(t: Teardown): Promise<string>
}

const NGINX = '/usr/sbin/nginx'
const APACHE = '/usr/sbin/apache2'
const missing = (file: string): string | false => (existsSync(file) ? false : `no ${file} on this machine`)

const servers: readonly Server[] = [
  { name: 'nginx', skip: missing(NGINX), start: startNginx },
  { name: 'Apache', skip: missing(APACHE), start: startApache },
  { name: 'Node', skip: false, start: startNode },
]

function folderFor(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'server-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function startNginx(t: Teardown): Promise<string> {
  const folder = folderFor(t)
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http {
  access_log off; large_client_header_buffers 4 32k;
  client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi; proxy_temp_path ${folder}/proxy; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; location / { add_header X-Path $uri always; return 200; } }
}
`,
  )
  await startProgram(t, [NGINX, '-c', file, '-p', folder, '-e', `${folder}/error.log`], port)
  return `http://127.0.0.1:${port}`
}

async function startApache(t: Teardown): Promise<string> {
  const folder = folderFor(t)
  const port = await freePort()
  const file = join(folder, 'apache.conf')
  mkdirSync(join(folder, 'root'))
  writeFileSync(
    file,
    `ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
User www-data
Group www-data
LimitRequestLine 32768
AllowEncodedSlashes On
DocumentRoot ${folder}/root
Header always set X-Path expr=%{REQUEST_URI}
`,
  )
  // -X: one process, which ends when it is told to.
  await startProgram(t, [APACHE, '-X', '-f', file], port)
  return `http://127.0.0.1:${port}`
}

async function startNode(t: Teardown): Promise<string> {
  const server = createServer((request, response) => {
    try {
      const { pathname } = new URL(request.url ?? '', 'http://h')
      response.setHeader('x-path', Buffer.from(decodeURIComponent(pathname)).toString('latin1'))
    } catch {
      response.statusCode = 400
    }
    response.end()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const utf8 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8')

/** What the gateway lets through of the corpus, and of random targets made of what is unusual but clear. */
function acceptedTargets(): readonly string[] {
  const pieces = [
    '/',
    'a',
    'B',
    '%41',
    '%20x',
    '.x',
    '..x',
    '%E6%97%A5',
    '%C3%9F',
    'e%CC%81',
    '%EF%BC%8F',
    '+',
    '~',
    '@',
    ':',
    '=',
    '&',
    '%26',
    '%2B',
    '%3A',
    '%2C',
    '[',
    '!',
    "'",
    '%22',
    '%7C',
    '%C5%BF',
    '?',
    '%2F',
    '%2E',
    '//',
    ';',
  ]
  const random = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => `/${parts.join('')}`)
  const corpus = corpusFor('localhost').flatMap(({ targets }) => targets)
  return [...corpus, ...fc.sample(random, { numRuns: 1_500, seed: 1 })].filter((target) => {
    const parsed = parseTarget(target)
    return parsed.ok && !/^\/oauth2(?:\/|$)/.test(parsed.path)
  })
}

for (const { name, skip, start } of servers) {
  t.test(`${name} understands what passes as the very path that the rule was decided on`, { skip }, async (t) => {
    const upstream = await start(t)
    const { port } = await startWorld(t, {
      upstream,
      settings: { applications: { all: { upstream, access: 'public' } } },
    })
    const connection = openRawConnection(t, port)
    const targets = acceptedTargets()
    const others: string[] = []
    for (const target of targets) {
      const parsed = parseTarget(target)
      const answer = await connection.send(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const path = answer.header('x-path')
      if (path === undefined || !parsed.ok || foldPath(utf8(path)) !== parsed.path)
        others.push(`${target.slice(0, 100)}: ${answer.status} ${path}`)
    }
    t.same(others, [])
    t.ok(targets.length > 300, `${targets.length} targets`)
  })

  t.test(`${name} understands what an application allows as a path of the same route`, { skip }, async (t) => {
    const upstream = await start(t)
    const open = { upstream, access: 'public' }
    const { port, log } = await startWorld(t, {
      upstream,
      settings: {
        applications: {
          main: {
            ...open,
            allowInPath: PATH_WORDS,
            routes: { admin: { path: '/admin/*' }, public: { path: '/public/*' } },
          },
        },
      },
    })
    const connection = openRawConnection(t, port)
    const pieces = [
      '/',
      '/public',
      '/admin',
      'admin',
      '%2F',
      '%252F',
      ';x',
      '%3B',
      '//',
      '.',
      '%20',
      '%3F',
      '%23',
      'x',
      '%61',
    ]
    const random = fc
      .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 })
      .map((parts) => `/${parts.join('')}`)
    let passed = 0
    for (const target of new Set(fc.sample(random, { numRuns: 1_500, seed: 1 }))) {
      log.length = 0
      const answer = await connection.send(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const path = answer.header('x-path')
      if (answer.status === 400 || path === undefined) continue
      passed += 1
      const expected = /^\/(admin|public)(?:\/|$)/.exec(foldPath(utf8(path)))?.[1]
      const { route } = JSON.parse(log.findLast((line) => line.includes('"event":"request"')) ?? '{}') as {
        route?: string
      }
      if (route !== (expected === undefined ? 'main' : `main/${expected}`))
        t.fail(`${target} was ruled by ${route}, and is ${path}`)
    }
    t.ok(passed > 100, `${passed} targets passed`)
  })
}
