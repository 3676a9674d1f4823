import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../test/helpers/world.ts'
import type { Teardown } from './command.ts'
import { findProgram, LOAD_CORE, startProgram } from './programs.ts'

/** The application behind all contenders: nginx, answering 1 KiB to everything, on connections that it keeps. */
export interface Upstream {
  readonly port: number
  readonly url: string
  readonly body: string
  /** Says yes to whoever shows `AUTH_COOKIE`, for proxies that ask somebody else. */
  readonly authPort: number
  /** How many requests have reached it so far; this question counts as one of them. */
  requests(): Promise<number>
}

export const AUTH_COOKIE = 'session=0a1b2c3d4e5f60718293a4b5c6d7e8f9'

/** Where a file of `LARGE_BYTES` bytes is answered. */
export const LARGE_PATH = '/downloads/large'
export const LARGE_BYTES = 100_000_000

/** The lines of every nginx.conf here: one worker, nothing written down, nothing outside the folder, connections kept for ever. */
export function nginxHead(folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ')
  return `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${folder}/pid; error_log stderr;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 300s; large_client_header_buffers 4 32k;
  ${temporary}`
}

export async function startUpstream(t: Teardown, parent: string): Promise<Upstream> {
  const folder = join(parent, 'upstream')
  mkdirSync(folder)
  const [port, authPort] = [await freePort(), await freePort()]
  const body = 'All work and no play makes Jack a dull boy. '.repeat(24).slice(0, 1024)
  const large = join(folder, 'large')
  writeFileSync(large, '')
  truncateSync(large, LARGE_BYTES)
  const config = join(folder, 'nginx.conf')
  writeFileSync(
    config,
    `${nginxHead(folder)}
  server {
    listen 127.0.0.1:${port};
    location / { default_type text/plain; return 200 "${body}"; }
    location = ${LARGE_PATH} { alias ${large}; }
    location = /_requests { stub_status; }
  }
  server {
    listen 127.0.0.1:${authPort};
    location / {
      if ($http_cookie !~ "${AUTH_COOKIE}") { return 401; }
      add_header X-User alice;
      return 200;
    }
  }
}
`,
  )
  const nginx = startProgram(t, [findProgram('nginx') ?? 'nginx', '-c', config, '-p', folder], { core: LOAD_CORE })
  await nginx.listens(port)
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    body,
    authPort,
    async requests() {
      const status = await (await fetch(`http://127.0.0.1:${port}/_requests`)).text()
      return Number(/^ \d+ \d+ (\d+)/m.exec(status)?.[1])
    },
  }
}
