import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../helpers/process.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

t.test(
  'RL25 without a file descriptor for it a request is refused as ours to mend, and opens no circuit',
  async (t) => {
    const world = await startWorld(t)
    await world.gateway.close()
    const application = createServer((_request, response) => response.end('ok'))
    await new Promise<void>((resolve) => {
      application.listen(0, '127.0.0.1', resolve)
    })
    t.teardown(() => {
      application.closeAllConnections()
      application.close()
    })
    const settings = JSON.parse(readFileSync(world.settingsFile, 'utf8'))
    settings.applications = {
      app: {
        access: 'public',
        upstream: {
          url: `http://127.0.0.1:${(application.address() as AddressInfo).port}`,
          breaker: { failures: 1, openSeconds: 600 },
        },
      },
    }
    writeFileSync(world.settingsFile, JSON.stringify(settings))
    const command = [process.execPath, join(root, 'dist/main.js'), 'serve', '--config', world.settingsFile]
    const child = spawn('sh', ['-c', 'ulimit -n 256; exec "$0" "$@"', ...command])
    t.teardown(() => child.kill('SIGKILL'))
    let out = ''
    child.stdout.on('data', (data: Buffer) => (out += data.toString()))
    await until(() => out.includes('"listening"'))

    const sockets: Socket[] = []
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
    })
    const answers = new Map<Socket, string>()
    const lost: Socket[] = []
    while (lost.length === 0) {
      const socket = connect(world.port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => lost.push(socket))
      socket.on('data', (data) => answers.set(socket, (answers.get(socket) ?? '') + data.toString()))
      await new Promise((resolve) => setImmediate(resolve))
    }
    // Those who got in before it was full ask now.
    const asking = sockets.slice(0, 3)
    for (const socket of asking) socket.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => asking.every((socket) => answers.has(socket)))
    for (const socket of asking) {
      t.match(answers.get(socket), /^HTTP\/1\.1 503 [^]*"code":"GW_OVERLOADED"/)
      t.match(answers.get(socket), /^retry-after: \d+\r$/im)
    }
    t.equal(child.exitCode, null, 'it lives on')
    await until(() => out.includes('"reason":"file_descriptors"'))
    for (const socket of sockets) socket.destroy()
    await until(
      async () => (await sendRaw(world.port, 'GET /y HTTP/1.1\r\nHost: localhost\r\n\r\n').catch(() => null)) !== null,
    )
    t.match(await sendRaw(world.port, 'GET /y HTTP/1.1\r\nHost: localhost\r\n\r\n'), { status: 200, body: 'ok' })
    t.notMatch(out, 'circuit_opened')
  },
)
