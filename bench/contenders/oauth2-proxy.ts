import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../test/helpers/world.ts'
import { programVersion } from '../machine.ts'
import { findProgram, PROXY_CORE, startProgram } from '../programs.ts'
import { CLIENT_ID, CLIENT_SECRET, signIn, type Site } from '../site.ts'
import type { Contender, Running } from './contender.ts'

const SOURCE = 'github.com/oauth2-proxy/oauth2-proxy/v7@latest'
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cognito-gateway-bench')
const binary = join(cache, 'bin', 'oauth2-proxy')

export const oauth2Proxy: Contender = {
  name: 'oauth2-proxy',
  does: 'oauth2-proxy with sessions in the cookie, passing on to the application itself',
  guards: true,
  signsIn: true,
  unavailable: () =>
    existsSync(binary) || findProgram('go') !== undefined
      ? undefined
      : 'there is no Go on this machine to build it with; on Debian: apt-get install golang',
  version: () => programVersion([findProgram('go') ?? 'go', 'version', '-m', binary], /^\tmod\t\S+\t(\S+)/m),
  async start(site) {
    if (!existsSync(binary)) await install(site)
    return startOauth2Proxy(site)
  },
}

/** Builds it once, outside the checkout, from the sources that Go's module proxy has. */
async function install(site: Site): Promise<void> {
  site.progress(`oauth2-proxy is built into ${cache} (once; some minutes) …`)
  mkdirSync(cache, { recursive: true })
  const env = { ...process.env, GOBIN: join(cache, 'bin'), GOPATH: join(cache, 'go'), GOFLAGS: '-modcacherw' }
  const go = spawn(findProgram('go') ?? 'go', ['install', SOURCE], {
    env,
    cwd: cache,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  site.teardown(() => go.kill())
  let complaint = ''
  go.stderr.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString()).slice(-1_000)
  })
  const status = await new Promise((resolve) => go.on('close', resolve))
  if (status !== 0) throw new Error(`go install ${SOURCE} failed: ${complaint.trim()}`)
}

async function startOauth2Proxy(site: Site): Promise<Running> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const redirect = `${url}/oauth2/callback`
  site.registerCallback(redirect)
  const options = {
    provider: 'oidc',
    'oidc-issuer-url': site.pool.issuer,
    'client-id': CLIENT_ID,
    'client-secret': CLIENT_SECRET,
    'redirect-url': redirect,
    scope: 'openid email profile',
    'code-challenge-method': 'S256',
    'email-domain': '*',
    upstream: site.upstream.url,
    'http-address': `127.0.0.1:${port}`,
    'session-store-type': 'cookie',
    'cookie-secret': randomBytes(32).toString('base64url'),
    'cookie-secure': 'false',
    'skip-provider-button': 'true',
    'request-logging': 'false',
    'auth-logging': 'false',
    'standard-logging': 'false',
  }
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  const program = startProgram(site, [binary, ...flags], { core: PROXY_CORE, env: { GOMAXPROCS: '1' } })
  await program.listens(port)
  return { program, port, signIn: async () => ({ Cookie: await signIn(site, url) }) }
}
