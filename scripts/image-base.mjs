// A stand-in for the base image, made of Debian's packages and npm's, for machines that reach no registry of images.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, engineEnvironment, onPath } from './engine.mjs'

const DEBIAN = 'bookworm'
const NODE = '24.21.0'
const NPM = '11.19.1'
/** What this file does otherwise than before makes another base. */
const recipe = createHash('sha256')
  .update(readFileSync(import.meta.filename))
  .digest('hex')
  .slice(0, 8)
const version = `${DEBIAN}-node-${NODE}-npm-${NPM}-${recipe}`

/** How Debian and engines call the processors that Node calls so. */
export const PROCESSORS = { x64: 'amd64', arm64: 'arm64' }

/** What stands in the way of making the base here, as a sentence; undefined where nothing does. */
export function baseObstacle(engine) {
  if (engine === 'buildah') return 'buildah takes over no archive as an image: the base needs podman or docker.'
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'The base can only be made on Linux, as root.'
  if (!onPath('mmdebstrap')) return "There is no mmdebstrap (Debian's package of that name)."
  return undefined
}

/**
 * The name of the base's image for a processor, which the engine has from then on. The archive it comes from is made once for this machine; one for
 * another processor needs emulation (`qemu-user-static`, and the kernel's binfmt_misc).
 */
export async function ensureBase(engine, arch, say) {
  const image = `localhost/cognito-gateway-base:${version}-${arch}`
  const env = engineEnvironment(engine)
  if (spawnSync(engine, ['image', 'inspect', image], { stdio: 'ignore', env }).status === 0) return image
  const archive = join(cacheFolder, `base-${version}-${arch}.tar`)
  if (!existsSync(archive)) {
    say(`Making a base of Debian ${DEBIAN} and Node ${NODE} for ${PROCESSORS[arch]} (once) …`)
    await makeArchive(archive, arch)
  }
  say('Taking over the base …')
  const whose = engine === 'docker' ? `--platform=linux/${PROCESSORS[arch]}` : `--arch=${PROCESSORS[arch]}`
  await run(engine, ['import', whose, '--change', 'CMD ["node"]', archive, image], { env })
  return image
}

async function makeArchive(archive, arch) {
  mkdirSync(cacheFolder, { recursive: true })
  const folder = mkdtempSync(join(cacheFolder, 'base-'))
  try {
    const made = join(folder, 'base.tar')
    const parts = [makeDebian(made, arch), fetchNode(folder, arch)]
    // What one of them still writes when the other has failed would stay behind.
    await Promise.allSettled(parts)
    await Promise.all(parts)
    // The names of files only: an archive that holds a folder twice is refused.
    const ours = ['usr/local/bin/node', 'usr/local/bin/npm', 'usr/local/lib/node_modules']
    await run('tar', ['--append', '--file', made, '--owner=0', '--group=0', '--directory', folder, ...ours])
    renameSync(made, archive)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const makeDebian = (archive, arch) =>
  run('mmdebstrap', [
    '--quiet',
    '--mode=root',
    '--variant=essential',
    ...(arch === process.arch ? [] : [`--architectures=${PROCESSORS[arch]}`]),
    '--include=ca-certificates,libstdc++6,libatomic1',
    // Nobody's data: it is made again when the machine goes down meanwhile.
    '--dpkgopt=force-unsafe-io',
    // As in the official base.
    ...['man', 'info', 'locale', 'doc'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
    DEBIAN,
    archive,
  ])

/** Node and npm as they lie in the official base, below `folder`/usr/local. */
async function fetchNode(folder, arch) {
  const packages = join(folder, 'packages')
  const node = `node-linux-${arch}`
  await run('npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    // Else npm takes no package for another processor than this one.
    ...(arch === process.arch ? [] : ['--force']),
    `--prefix=${packages}`,
    `${node}@${NODE}`,
    `npm@${NPM}`,
  ])
  const local = join(folder, 'usr', 'local')
  mkdirSync(join(local, 'bin'), { recursive: true })
  mkdirSync(join(local, 'lib', 'node_modules'), { recursive: true })
  renameSync(join(packages, 'node_modules', node, 'bin', 'node'), join(local, 'bin', 'node'))
  renameSync(join(packages, 'node_modules', 'npm'), join(local, 'lib', 'node_modules', 'npm'))
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin', 'npm'))
}

/** Runs a command quietly; when it fails, what it said is the error. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${command} failed:\n${said.trim().split('\n').slice(-20).join('\n')}`)),
    )
  })
}
