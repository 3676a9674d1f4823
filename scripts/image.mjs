// `npm run image [-- OPTIONS]`: builds the image with docker, podman or buildah, whichever works.
//   --tag NAME          its name; cognito-gateway:VERSION
//   --platform NAME     for another processor than this one, such as linux/arm64
//   --engine NAME       docker, podman or buildah
//   --node-image NAME   the base, from a registry of one's own
//   --runtime-image NAME where it runs, if that is to be another base, such as one without a shell
//   --base              a base that is made on this machine, where no registry of images can be reached
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { engineEnvironment, findEngine } from './engine.mjs'
import { baseObstacle, ensureBase, PROCESSORS } from './image-base.mjs'

const root = join(import.meta.dirname, '..')
const say = (text) => console.error(text)
const giveUp = (text) => {
  say(text)
  process.exit(1)
}

const { values } = parseArgs({
  options: {
    tag: { type: 'string' },
    platform: { type: 'string' },
    engine: { type: 'string' },
    'node-image': { type: 'string' },
    'runtime-image': { type: 'string' },
    base: { type: 'boolean' },
  },
})
const engines = values.engine === undefined ? ['docker', 'podman', 'buildah'] : [values.engine]
const engine = findEngine(engines)
if (engine === undefined) giveUp(`An image is built with ${engines.join(', ')}; nothing of that works on this machine.`)

const git = (...args) => {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const tag = values.tag ?? `cognito-gateway:${version}`

/** What the image says of itself; by the commit, so that the same sources make the same image. */
function facts() {
  const dirty = git('status', '--porcelain') === '' ? '' : '-dirty'
  const revision = git('rev-parse', 'HEAD')
  return {
    VERSION: version,
    REVISION: revision === undefined ? 'unknown' : `${revision}${dirty}`,
    CREATED: git('log', '-1', '--format=%cI') ?? new Date().toISOString(),
  }
}

/** The bases to build on and to run on, where they are not the one that the Dockerfile names. */
async function bases() {
  const given = { NODE_IMAGE: values['node-image'], RUNTIME_IMAGE: values['runtime-image'] }
  if (values.base !== true || given.NODE_IMAGE !== undefined) return given
  const obstacle = baseObstacle(engine)
  if (obstacle !== undefined) giveUp(obstacle)
  const made = async (processor) => ensureBase(engine, processor, say).catch((error) => giveUp(error.message))
  return {
    NODE_IMAGE: await made(process.arch),
    RUNTIME_IMAGE: given.RUNTIME_IMAGE ?? (await made(processorOf(values.platform))),
  }
}

/** Node's name for the processor of a platform; this machine's own where none is named. */
function processorOf(platform) {
  if (platform === undefined) return process.arch
  const found = Object.keys(PROCESSORS).find((processor) => platform === `linux/${PROCESSORS[processor]}`)
  return found ?? giveUp(`A base is made for linux/amd64 and linux/arm64 only, not for ${platform}.`)
}

/** What this machine needs to reach its package registry, if anything, is lent to the build. */
const lent = [
  ['npmrc', process.env.NPM_CONFIG_USERCONFIG ?? join(homedir(), '.npmrc')],
  ['ca-certificates', process.env.NODE_EXTRA_CA_CERTS ?? ''],
].filter(([, file]) => existsSync(file))

/** What docker says by itself: older versions of the others do not. */
const BUILDPLATFORM = `linux/${PROCESSORS[process.arch] ?? process.arch}`
const buildArguments = Object.entries({
  ...facts(),
  ...(await bases()),
  ...(engine === 'docker' ? {} : { BUILDPLATFORM }),
})
const args = [
  ...(engine === 'buildah' ? ['bud', '--layers'] : ['build']),
  ...(engine === 'docker' ? [] : ['--network=host']),
  ...(engine === 'podman' ? ['--pull=missing'] : []),
  ...(values.platform === undefined ? [] : ['--platform', values.platform]),
  ...buildArguments.flatMap(([name, value]) => (value === undefined ? [] : ['--build-arg', `${name}=${value}`])),
  ...lent.flatMap(([id, file]) => ['--secret', `id=${id},src=${file}`]),
  '--tag',
  tag,
  '.',
]
say(`Building ${tag} with ${engine} …`)
const { status } = spawnSync(engine, args, { cwd: root, stdio: 'inherit', env: engineEnvironment(engine) })
if (status !== 0)
  giveUp(
    'The image was not built. Where its base cannot be pulled, `npm run image -- --base` makes one on this machine.',
  )
console.log(tag)
