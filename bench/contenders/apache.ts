import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../test/helpers/world.ts'
import { debianVersion } from '../machine.ts'
import { findProgram, missingPrograms, PROXY_CORE, startProgram } from '../programs.ts'
import { CLIENT_ID, CLIENT_SECRET, machineToken, signIn, type Site } from '../site.ts'
import type { Contender, Running } from './contender.ts'

const MODULES = '/usr/lib/apache2/modules'
const LOADED = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'proxy', 'proxy_http', 'auth_openidc']

const common = {
  guards: true,
  signsIn: true,
  unavailable: () =>
    missingPrograms('apache2') ??
    (existsSync(`${MODULES}/mod_auth_openidc.so`)
      ? undefined
      : 'there is no mod_auth_openidc on this machine; on Debian: apt-get install libapache2-mod-auth-openidc'),
  version: () =>
    `Apache ${debianVersion('apache2-bin')}, mod_auth_openidc ${debianVersion('libapache2-mod-auth-openidc')}`,
} satisfies Partial<Contender>

export const apacheSharedMemory: Contender = {
  ...common,
  name: 'apache-openidc-shm',
  does: 'Apache with mod_auth_openidc, sessions in shared memory',
  start: async (site) => startForPeople(site, 'apache-openidc-shm', 'server-cache'),
}

export const apacheCookie: Contender = {
  ...common,
  name: 'apache-openidc-cookie',
  does: 'Apache with mod_auth_openidc, sessions in the cookie',
  start: async (site) => startForPeople(site, 'apache-openidc-cookie', 'client-cookie'),
}

export const apacheBearer: Contender = {
  ...common,
  name: 'apache-openidc-bearer',
  does: "Apache with mod_auth_openidc, a machine's access token verified with the pool's keys",
  async start(site) {
    const keys = await keyFiles(site)
    const running = await startApache(site, 'apache-openidc-bearer', () => ({
      server: `OIDCOAuthVerifyCertFiles ${keys}
OIDCOAuthRemoteUserClaim sub`,
      location: 'AuthType oauth20',
    }))
    return { ...running, signIn: async () => ({ Authorization: `Bearer ${await machineToken(site.pool)}` }) }
  },
}

async function startForPeople(site: Site, name: string, sessions: 'server-cache' | 'client-cookie'): Promise<Running> {
  const { url, ...running } = await startApache(site, name, (url) => {
    const redirect = `${url}/openid-callback`
    site.registerCallback(redirect)
    return {
      server: `OIDCProviderMetadataURL ${site.pool.issuer}/.well-known/openid-configuration
OIDCClientID ${CLIENT_ID}
OIDCClientSecret ${CLIENT_SECRET}
OIDCRedirectURI ${redirect}
OIDCScope "openid email profile"
OIDCPKCEMethod S256
OIDCSessionType ${sessions}
OIDCRemoteUserClaim email`,
      location: 'AuthType openid-connect',
    }
  })
  return { ...running, signIn: async () => ({ Cookie: await signIn(site, url) }) }
}

/** The pool's keys as files. With the address of its keys the module would read them anew for each request, and take half as long again. */
async function keyFiles(site: Site): Promise<string> {
  const answer = await fetch(`${site.pool.issuer}/.well-known/jwks.json`)
  const { keys } = (await answer.json()) as { keys: readonly (JsonWebKey & { kid: string })[] }
  const files = keys.map((jwk) => {
    const file = join(site.folder, `key-${keys.indexOf(jwk)}.pem`)
    writeFileSync(file, createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }))
    return `${jwk.kid}#${file}`
  })
  return files.map((file) => `"${file}"`).join(' ')
}

interface Directives {
  readonly server: string
  readonly location: string
}

async function startApache(site: Site, name: string, directives: (url: string) => Directives) {
  const folder = join(site.folder, name)
  mkdirSync(folder)
  const port = await freePort()
  const url = `http://localhost:${port}`
  const config = join(folder, 'apache.conf')
  writeFileSync(config, configuration({ folder, port, upstream: site.upstream.url, ...directives(url) }))
  const command = [findProgram('apache2') ?? 'apache2', '-DFOREGROUND', '-f', config]
  const program = startProgram(site, command, { core: PROXY_CORE, logFile: join(folder, 'error.log') })
  await program.listens(port)
  return { program, port, url }
}

interface Parts extends Directives {
  readonly folder: string
  readonly port: number
  readonly upstream: string
}

// One process for all connections, as the others have one: fewer would refuse some of 64, more would cost memory.
const configuration = ({ folder, port, upstream, server, location }: Parts): string => `ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
Mutex sem
ErrorLog ${folder}/error.log
LogLevel error
${LOADED.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 256
MinSpareThreads 1
MaxSpareThreads 256
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot ${folder}
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
${server}
<Location />
  ${location}
  Require valid-user
  ProxyPass ${upstream}/ keepalive=On
</Location>
ProxyPreserveHost On
`
