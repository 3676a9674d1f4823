import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './process.ts'
import { startProgram } from './program.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface Ports {
  /** Where people come to. */
  readonly public: number
  readonly gateway: number
  readonly forwardAuth: number
  readonly application: number
}

/** A proxy of this machine, run by our example of its configuration. */
export interface InstalledProxy {
  readonly name: 'nginx' | 'haproxy' | 'caddy'
  readonly skip: string | false
  start(t: Teardown, ports: Ports): Promise<void>
}

const NGINX = '/usr/sbin/nginx'
const HAPROXY = '/usr/sbin/haproxy'
const CADDY = '/usr/bin/caddy'
const missing = (file: string): string | false => (existsSync(file) ? false : `no ${file} on this machine`)

export const installedProxies: readonly InstalledProxy[] = [
  { name: 'nginx', skip: missing(NGINX), start: startNginx },
  { name: 'haproxy', skip: missing(HAPROXY), start: startHaproxy },
  { name: 'caddy', skip: missing(CADDY), start: startCaddy },
]

function folderFor(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The example with the addresses of this test; what is to be replaced must be there. */
function example(name: string, ports: Ports, changes: readonly (readonly [string, string])[]): string {
  let text = readFileSync(join(root, 'config', 'examples', name), 'utf8')
  for (const [before, after] of changes) {
    if (!text.includes(before)) throw new Error(`${name} has no ${before}`)
    text = text.replaceAll(before, after)
  }
  return text
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${ports.gateway}`)
    .replaceAll('127.0.0.1:9092', `127.0.0.1:${ports.forwardAuth}`)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${ports.application}`)
}

async function startNginx(t: Teardown, ports: Ports): Promise<void> {
  const folder = folderFor(t)
  mkdirSync(join(folder, 'logs'))
  const temporary = ['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`)
  const text = example('nginx.conf', ports, [
    ['http {\n', `http {\n  access_log off;\n  ${temporary.join(' ')}\n`],
    ['listen 443 ssl;', `listen 127.0.0.1:${ports.public};`],
    ['server_name apps.example.com;', 'server_name localhost;'],
    ['    ssl_certificate /etc/nginx/tls.crt;\n', ''],
    ['    ssl_certificate_key /etc/nginx/tls.key;\n', ''],
  ])
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;\n${text}`)
  await startProgram(t, [NGINX, '-c', file, '-p', folder, '-e', `${folder}/error.log`], ports.public)
}

async function startHaproxy(t: Teardown, ports: Ports): Promise<void> {
  const folder = folderFor(t)
  const script = join(folder, 'gateway-auth.lua')
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(script, example('gateway-auth.lua', ports, []))
  writeFileSync(
    file,
    example('haproxy.cfg', ports, [
      ['/etc/haproxy/gateway-auth.lua', script],
      ['bind :443 ssl crt /etc/haproxy/apps.example.com.pem', `bind 127.0.0.1:${ports.public}`],
    ]),
  )
  // -db: one process in the foreground.
  await startProgram(t, [HAPROXY, '-db', '-f', file], ports.public)
}

async function startCaddy(t: Teardown, ports: Ports): Promise<void> {
  const folder = folderFor(t)
  const file = join(folder, 'Caddyfile')
  const text = example('Caddyfile', ports, [
    ['apps.example.com {', `http://localhost:${ports.public} {\n\tbind 127.0.0.1`],
  ])
  writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${text}`)
  const places = ['HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'].map((name) => `${name}=${folder}`)
  await startProgram(
    t,
    ['/usr/bin/env', ...places, CADDY, 'run', '--config', file, '--adapter', 'caddyfile'],
    ports.public,
  )
}
