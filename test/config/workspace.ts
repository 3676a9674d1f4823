import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { stringify } from 'yaml'
import { newAssertionKey } from '../../src/commands/keygen.ts'
import { loadSettings, SettingsError, type Fault, type Loaded } from '../../src/config/load.ts'
import { createAuthority, makeCertificate } from '../helpers/certificates.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export type Values = Record<string, unknown>

/** A key that is the same at every run, and as irregular as a random one. */
export const newKey = (seed: string): string => createHash('sha256').update(seed).digest('base64url')

/** A folder with secrets, in which settings are written and loaded. */
export interface Workspace {
  readonly folder: string
  write(name: string, content: string, mode?: number): string
  load(text: string, environment?: Record<string, string>): Loaded
  /** Every fault as `line:column key: message`, or the variable's name and message. */
  faults(text: string, environment?: Record<string, string>): readonly string[]
  warnings(text: string, replicas?: number): readonly string[]
}

export function createWorkspace(t: Teardown): Workspace {
  const folder = mkdtempSync(join(tmpdir(), 'settings-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, content: string, mode = 0o600): string => {
    const file = join(folder, name)
    writeFileSync(file, content)
    chmodSync(file, mode)
    return file
  }
  // What the example includes.
  mkdirSync(join(folder, 'applications.d'))
  write('session-key', `${newKey('session')}\n`)
  write('client-secret', 'client+secret/of=the+gateway\n')
  const load = (text: string, environment: Record<string, string> = {}, replicas = 1): Loaded =>
    loadSettings({ file: write('gateway.yaml', text, 0o644), environment, replicas })
  return {
    folder,
    write,
    load,
    faults: (text, environment) => {
      try {
        load(text, environment)
        return []
      } catch (error) {
        if (!(error instanceof SettingsError)) throw error
        return error.faults.map(short)
      }
    },
    warnings: (text, replicas = 1) => load(text, {}, replicas).warnings.map(short),
  }
}

function short({ file, line, column, key, message }: Fault): string {
  const named = basename(file) === 'gateway.yaml' ? '' : `${basename(file)}:`
  const place = line === 0 ? file : `${named}${line}:${column}`
  return `${place} ${key}: ${message}`
}

/** The TLS files that the example names, each with the right content. Returns the variables that name them from elsewhere. */
export function writeTlsFiles(
  t: Teardown,
  { write, folder }: Pick<Workspace, 'write' | 'folder'>,
): Record<string, string> {
  const authority = createAuthority(t)
  const { certFile, keyFile } = authority.issue('gateway', { names: 'DNS:gateway.internal' })
  const upstream = 'COGNITO_GATEWAY__APPLICATIONS__WIKI__UPSTREAM__'
  const listener = makeCertificate(folder)
  return {
    COGNITO_GATEWAY__LISTEN__TLS__CERTFILE: listener.certFile,
    COGNITO_GATEWAY__LISTEN__TLS__KEYFILE: listener.keyFile,
    COGNITO_GATEWAY__SESSION__REDIS__CAFILE: write('redis-ca.pem', authority.ca),
    [`${upstream}CAFILE`]: write('wiki-ca.pem', authority.ca),
    [`${upstream}CERTFILE`]: write('gateway.crt', readFileSync(certFile, 'utf8')),
    [`${upstream}KEYFILE`]: write('gateway.key', readFileSync(keyFile, 'utf8')),
  }
}

/** The keys and the password that the example names. Returns the variables that name them from elsewhere. */
export function writeIdentityFiles({ write }: Pick<Workspace, 'write'>): Record<string, string> {
  return {
    COGNITO_GATEWAY__ASSERTION__KEYS__0__FILE: write('assertion-key', newAssertionKey()),
    COGNITO_GATEWAY__ASSERTION__ALBKEYS__0__FILE: write('alb-key', newAssertionKey()),
    COGNITO_GATEWAY__APPLICATIONS__WIKI__IDENTITY__BASIC__PASSWORD__FILE: write('wiki-password', 'a password'),
  }
}

/** The least settings that work. */
export const minimal = (): Values => ({
  publicUrl: 'https://apps.example.com',
  pools: {
    staff: {
      userPoolId: 'eu-west-1_AbCdEfGhI',
      clientId: '4example23456789',
      clientSecret: { file: 'client-secret' },
    },
  },
  session: { keys: [{ file: 'session-key' }] },
  applications: { wiki: { upstream: 'http://wiki.internal:8080', access: 'signedIn' } },
})

export function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The least settings with a value put or replaced at a path such as `session.idleTimeoutSeconds`. */
export function minimalWith(changes: Readonly<Record<string, unknown>>): string {
  const settings = minimal()
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('.')
    let at = settings
    for (const key of keys.slice(0, -1)) {
      const next = at[key]
      const map = isMap(next) ? next : {}
      at[key] = map
      at = map
    }
    at[keys.at(-1) ?? ''] = value
  }
  return stringify(settings)
}

/** The same with one application of these routes. */
export const withRoutes = (routes: Values, application: Values = {}): string =>
  minimalWith({
    'applications.wiki': { upstream: 'http://wiki.internal:8080', access: 'signedIn', ...application, routes },
  })
