import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram } from './program.ts'
import { freePort } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** An application server that says in `X-Path` as which path it understood a request; its bytes as Latin-1. */
export interface WebServer {
  readonly name: string
  readonly skip: string | false
  start(t: Teardown): Promise<StartedWebServer>
}

export interface StartedWebServer {
  readonly url: string
  /** Method and path of every request as it understood them, oldest first. */
  seen(): readonly string[]
}

const NGINX = '/usr/sbin/nginx'
const APACHE = '/usr/sbin/apache2'
const missing = (file: string): string | false => (existsSync(file) ? false : `no ${file} on this machine`)

/** Those that stand in front of most applications, and our own kind. */
export const webServers: readonly WebServer[] = [
  { name: 'nginx', skip: missing(NGINX), start: startNginx },
  { name: 'Apache', skip: missing(APACHE), start: startApache },
  { name: 'Node', skip: false, start: startNode },
]

function folderFor(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'server-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const linesOf = (file: string): readonly string[] =>
  existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(0, -1) : []

async function startNginx(t: Teardown): Promise<StartedWebServer> {
  const folder = folderFor(t)
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http {
  log_format seen escape=none '$request_method $uri';
  access_log ${folder}/access.log seen; large_client_header_buffers 4 32k;
  client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi; proxy_temp_path ${folder}/proxy; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; location / { add_header X-Path $uri always; return 200; } }
}
`,
  )
  await startProgram(t, [NGINX, '-c', file, '-p', folder, '-e', `${folder}/error.log`], port)
  return { url: `http://127.0.0.1:${port}`, seen: () => linesOf(join(folder, 'access.log')) }
}

async function startApache(t: Teardown): Promise<StartedWebServer> {
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
LogFormat "%m %U" seen
CustomLog ${folder}/access.log seen
`,
  )
  // -X: one process, which ends when it is told to.
  await startProgram(t, [APACHE, '-X', '-f', file], port)
  return { url: `http://127.0.0.1:${port}`, seen: () => linesOf(join(folder, 'access.log')) }
}

async function startNode(t: Teardown): Promise<StartedWebServer> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    try {
      const { pathname } = new URL(request.url ?? '', 'http://h')
      seen.push(`${request.method} ${pathname}`)
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
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen: () => seen }
}
