import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { once } from 'node:events'
import { startForPeople } from '../contenders/gateway.ts'
import type { Running } from '../contenders/contender.ts'
import { startNginx } from '../contenders/nginx.ts'
import { cpuMicrosOf, memoryMiBOf } from '../process-tree.ts'
import { findProgram, LOAD_CORE, missingPrograms, pause } from '../programs.ts'
import type { Site } from '../site.ts'
import { median, spreadOf } from '../statistics.ts'
import { LARGE_BYTES, LARGE_PATH } from '../upstream.ts'
import { runLoad } from '../wrk.ts'
import { pairwise, peakMemoryMiB, type Topic } from './topic.ts'

const AGAINST_NGINX = 0.4
const GROWTH_MIB = 40

const PLAIN = `
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_max_temp_file_size 0;
    }`

export const streams: Topic = {
  name: 'streams',
  asks: 'how fast 100 MB pass, and in how much memory',
  async run(site, { seconds, repetitions }) {
    const missing = missingPrograms('curl')
    if (missing !== undefined) throw new Error(`${missing}; on Debian: apt-get install curl`)
    const gateway = await startForPeople(site, { name: 'streams' })
    const nginx = await startNginx(site, 'streams-nginx', PLAIN)
    const speeds = { gateway: [] as number[], nginx: [] as number[] }
    const cpu = { gateway: [] as number[], nginx: [] as number[] }
    // Its heap has grown to what small requests need; all that streams need beyond that is counted.
    const headers = { Host: `localhost:${gateway.port}`, ...(await gateway.signIn()) }
    await runLoad(site, { folder: site.folder, port: gateway.port, connections: 16, seconds, headers })
    const before = memoryMiBOf(gateway.program.pid)
    const peak = await peakMemoryMiB(gateway.program.pid, async () => {
      await download(site, gateway)
      await download(site, nginx)
      for (let repetition = 1; repetition <= repetitions; repetition += 1) {
        for (const [name, running] of Object.entries({ gateway, nginx }) as ['gateway' | 'nginx', Running][]) {
          const spent = cpuMicrosOf(running.program.pid)
          const speed = await download(site, running)
          speeds[name].push(speed)
          cpu[name].push((cpuMicrosOf(running.program.pid) - spent) / 1000)
          site.progress(`  ${repetition}/${repetitions}  ${name.padEnd(8)} ${speed.toFixed(2)} GB/s`)
        }
      }
    })
    for (const { program } of [gateway, nginx]) await program.stop()
    const ratio = spreadOf(pairwise(speeds.gateway, speeds.nginx, (ours, theirs) => ours / theirs))
    const [ours, theirs] = [median(speeds.gateway), median(speeds.nginx)]
    const growth = peak - before
    return [
      {
        what: `a download of 100 MB: ${ours.toFixed(2)} GB/s, nginx ${theirs.toFixed(2)} GB/s (CPU ${median(cpu.gateway).toFixed(0)} and ${median(cpu.nginx).toFixed(0)} ms)`,
        measured: `${ratio.median.toFixed(2)} × (${ratio.min.toFixed(2)} – ${ratio.max.toFixed(2)})`,
        target: `≥ ${AGAINST_NGINX} × nginx`,
        reached: ratio.median >= AGAINST_NGINX,
        figures: { ratio: ratio.median, gatewayGBps: ours, nginxGBps: theirs },
      },
      {
        what: 'growth of memory while they pass',
        measured: `${growth.toFixed(0)} MiB`,
        target: `≤ ${GROWTH_MIB} MiB`,
        reached: growth <= GROWTH_MIB,
        figures: { mebibytes: growth },
      },
    ]
  },
}

/** GB/s of one download of the large file, on the core of the load. */
async function download(site: Site, running: Running): Promise<number> {
  const headers = Object.entries({ Host: `localhost:${running.port}`, ...(await running.signIn()) })
  const curl = [
    findProgram('curl') ?? 'curl',
    '-s',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code} %{size_download} %{speed_download}',
  ]
  const asked = [
    ...headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    `http://127.0.0.1:${running.port}${LARGE_PATH}`,
  ]
  const child = spawn('taskset', ['-c', String(LOAD_CORE), ...curl, ...asked], { stdio: ['ignore', 'pipe', 'ignore'] })
  site.teardown(() => child.kill('SIGKILL'))
  let out = ''
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString()
  })
  await once(child, 'close')
  const [status, bytes, speed] = out.split(' ').map(Number)
  if (status !== 200 || bytes !== LARGE_BYTES) throw new Error(`a download gave ${out}, not ${LARGE_BYTES} bytes`)
  return (speed ?? 0) / 1e9
}

const READERS = 20
const SLOW_MS = 3_000

export const slowReaders: Topic = {
  name: 'slow-readers',
  asks: 'what twenty clients cost that do not read what they asked for',
  async run(site, { seconds }) {
    const gateway = await startForPeople(site, { name: 'slow-readers' })
    const { port, program } = gateway
    const headers = { Host: `localhost:${port}`, ...(await gateway.signIn()) }
    const load = { folder: site.folder, port, connections: 1, seconds, headers }
    await runLoad(site, load)
    const before = memoryMiBOf(program.pid)
    const head = `GET ${LARGE_PATH} HTTP/1.1\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`
    const readers = await Promise.all(Array.from({ length: READERS }, async () => slowReader(port, head)))
    let second = { p50Ms: 0, p99Ms: 0 }
    const peak = await peakMemoryMiB(program.pid, async () => {
      await pause(SLOW_MS)
      second = await runLoad(site, load)
    })
    for (const reader of readers) reader.destroy()
    await program.stop()
    const growth = peak - before
    return [
      {
        what: `growth of memory with ${READERS} clients that do not read their 100 MB`,
        measured: `${growth.toFixed(0)} MiB`,
        target: `≤ ${GROWTH_MIB} MiB`,
        reached: growth <= GROWTH_MIB,
        figures: { mebibytes: growth },
      },
      {
        what: 'another client meanwhile',
        measured: `served, p50 ${second.p50Ms.toFixed(1)} ms, p99 ${second.p99Ms.toFixed(1)} ms`,
        figures: { p50Ms: second.p50Ms, p99Ms: second.p99Ms },
      },
    ]
  },
}

/** Takes the head of its answer and then nothing more. */
async function slowReader(port: number, head: string) {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(head)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (!answer.toString('latin1').startsWith('HTTP/1.1 200 ')) throw new Error(`answered ${answer.subarray(0, 40)}`)
  socket.pause()
  return socket
}
