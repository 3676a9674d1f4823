// Plain JavaScript without packages: this runs on a clone that has nothing installed yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const stampFile = join(root, 'node_modules', '.cache', 'lockfile-stamp')

/** Runs a command in the checkout with this terminal; true when it succeeded. */
export function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status === 0
}

/** What is said on the way to what was asked for is no part of its output, which may go into a file. */
const ASIDE = ['inherit', process.stderr, 'inherit']

export function node(...args) {
  return run(process.execPath, args)
}

/** Stops with one sentence on a Node that the product does not run on. */
function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(`Cognito Gateway needs Node 20.19 or newer; this is ${process.versions.node}.`)
  process.exit(1)
}

/** Installs the packages of the lockfile, unless just these are installed already. */
export function install() {
  requireNode()
  const stamp = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  if (!isInstalled()) {
    console.error('Installing packages (once) …')
    const options = { shell: process.platform === 'win32', stdio: ASIDE }
    if (!run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], options)) {
      console.error('The packages could not be installed. Is the npm registry reachable?')
      process.exit(1)
    }
  }
  mkdirSync(join(root, 'node_modules', '.cache'), { recursive: true })
  writeFileSync(stampFile, stamp)
}

/** Whether somebody has run `npm ci` already: npm writes down what it has put where. */
function isInstalled() {
  const file = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(file)) return false
  const packagesIn = (lockfile) => JSON.parse(readFileSync(lockfile, 'utf8')).packages
  const installed = packagesIn(file)
  return Object.entries(packagesIn(join(root, 'package-lock.json'))).every(
    // Optional ones are for other systems.
    ([folder, { integrity, optional }]) => folder === '' || optional || installed[folder]?.integrity === integrity,
  )
}

const newest = (folder) =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs),
  )

/** Compiles src/ to dist/, unless dist/ is newer than every source. */
export function build() {
  const built = join(root, 'dist', '.tsbuildinfo')
  const sources = Math.max(newest(join(root, 'src')), statSync(join(root, 'tsconfig.json')).mtimeMs)
  if (existsSync(built) && statSync(built).mtimeMs > sources) return
  console.error('Compiling …')
  if (!run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { stdio: ASIDE }))
    process.exit(1)
}

/** Compiles everything that tests and benchmarks run to build/. */
export function buildTests() {
  if (!node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json')) process.exit(1)
}
