import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../test/helpers/world.ts'
import { programVersion } from '../machine.ts'
import { findProgram, missingPrograms, PROXY_CORE, startProgram } from '../programs.ts'
import type { Site } from '../site.ts'
import { AUTH_COOKIE, nginxHead } from '../upstream.ts'
import type { Contender, Running } from './contender.ts'

export const nginxAuthRequest: Contender = {
  name: 'nginx-auth-request',
  does: 'nginx with auth_request to a trivial local answer, whose own CPU is not counted',
  guards: true,
  signsIn: false,
  unavailable: () => missingPrograms('nginx'),
  version: () => programVersion([findProgram('nginx') ?? 'nginx', '-v'], /nginx\/(\S+)/),
  start: async (site) => startNginx(site, 'nginx-auth-request', GUARDED),
}

/** Runs Debian's nginx as a proxy; `locations` is the inside of its one server. */
export async function startNginx(site: Site, name: string, locations: string): Promise<Running> {
  const folder = join(site.folder, name)
  mkdirSync(folder)
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  writeFileSync(
    config,
    `${nginxHead(folder)}
  upstream app { server 127.0.0.1:${site.upstream.port}; keepalive 256; keepalive_requests 1000000000; }
  upstream auth { server 127.0.0.1:${site.upstream.authPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    ${locations}
  }
}
`,
  )
  const program = startProgram(site, [findProgram('nginx') ?? 'nginx', '-c', config, '-p', folder], {
    core: PROXY_CORE,
  })
  await program.listens(port)
  return { program, port, signIn: async () => ({ Cookie: `theme=dark; ${AUTH_COOKIE}` }) }
}

// One proxy_set_header in a location drops all inherited ones: without `Connection ""` in both, each request would open a connection.
const GUARDED = `
    location / {
      auth_request /_auth;
      auth_request_set $user $upstream_http_x_user;
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-User $user;
    }
    location = /_auth {
      internal;
      proxy_pass http://auth;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_pass_request_body off;
    }`
