// `npm run bench -- NAME [options]`: the comparisons and measurements of bench/. Installs and compiles first what is missing.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { build, buildTests, install } from './prepare.mjs'

install()
build() // the gateway is measured as people run it: from dist/
buildTests()

const main = join(import.meta.dirname, '..', 'build', 'bench', 'main.js')
const child = spawn(process.execPath, ['--enable-source-maps', main, ...process.argv.slice(2)], { stdio: 'inherit' })

// A Ctrl-C on the terminal reaches the child by itself; a signal from elsewhere is handed on. Either way its end is ours.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => process.exit(signal === null ? code : 1))
