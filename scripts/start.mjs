// `npm start`: the demo. `npm run gateway -- COMMAND`: any command. On a fresh clone both install and compile first.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { build, install } from './prepare.mjs'

install()
build()

const [separator, ...given] = process.argv.slice(2)
const args = separator === '--' ? given : separator === undefined ? ['demo'] : [separator, ...given]
const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'dist', 'main.js'), ...args], {
  stdio: 'inherit',
})

// A Ctrl-C on the terminal reaches the child by itself; a signal from elsewhere is handed on. Either way its end is ours.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => process.exit(signal === null ? code : 1))
