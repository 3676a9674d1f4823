import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Teardown } from './command.ts'
import { LOAD_CORE } from './programs.ts'

export interface LoadOptions {
  readonly folder: string
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>
  readonly paths?: readonly string[]
  /** A file of lines; each request has the next of them as its Cookie header. */
  readonly cookiesFile?: string
  /** Each request says the next of so many addresses in X-Forwarded-For. */
  readonly addresses?: number
}

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What a browser sends beside the cookie when a person follows a link. */
export const BROWSER_HEADERS: Readonly<Record<string, string>> = {
  Connection: 'keep-alive',
  'Cache-Control': 'max-age=0',
  'sec-ch-ua': '"Chromium";v="142", "Not_A Brand";v="99"',
  'sec-ch-ua-mobile': '?0',
  'sec-ch-ua-platform': '"Linux"',
  'Upgrade-Insecure-Requests': '1',
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Sec-Fetch-Site': 'same-origin',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-User': '?1',
  'Sec-Fetch-Dest': 'document',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Accept-Language': 'en-US,en;q=0.9,de;q=0.8',
}

export const PATHS: readonly string[] = [
  '/',
  '/reports/2026/q3?page=2&sort=name',
  '/wiki/Main_Page',
  '/assets/app-3f9c1a.js',
  '/api/orders/1738/lines?expand=product',
  '/search?q=quarterly%20figures&from=2026-01-01',
  '/projects/cognito/board/42',
  '/static/fonts/inter-latin.woff2',
]

/** One run of wrk on the core of the load. Throws where an answer was an error, or a connection broke: then nothing was measured. */
export async function runLoad(t: Teardown, options: LoadOptions): Promise<LoadResult> {
  const { folder, port, connections, seconds } = options
  const script = join(folder, 'load.lua')
  writeFileSync(script, luaOf(options))
  const pinned = ['-c', String(LOAD_CORE), 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s']
  const child = spawn('taskset', [...pinned, '-s', script, `http://127.0.0.1:${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      out += data.toString()
    })
  await new Promise((resolve) => child.on('close', resolve))
  const told = /^RESULT (\{.*\})$/m.exec(out)?.[1]
  if (told === undefined) throw new Error(`wrk did not finish: ${out.trim()}`)
  const result = JSON.parse(told) as Record<string, number>
  const wrongs = ['connect', 'read', 'write', 'timeout', 'status'].filter((name) => result[name] !== 0)
  if (wrongs.length > 0 || !result['requests'])
    throw new Error(
      `the load on port ${port} went wrong: ${wrongs.map((name) => `${name} ${result[name]}`).join(', ')}`,
    )
  return {
    requests: result['requests'],
    seconds: (result['duration'] ?? 0) / 1e6,
    p50Ms: (result['p50'] ?? 0) / 1000,
    p99Ms: (result['p99'] ?? 0) / 1000,
  }
}

// Text in quotes is the same in JSON and Lua as long as it is ASCII.
const quoted = (text: string): string => JSON.stringify(text)

function luaOf({ headers, paths = PATHS, cookiesFile, addresses }: LoadOptions): string {
  const fixed = Object.entries({ ...BROWSER_HEADERS, ...headers })
  const varied = cookiesFile !== undefined || addresses !== undefined
  return `local headers = { ${fixed.map(([name, value]) => `[${quoted(name)}] = ${quoted(value)}`).join(', ')} }
local paths = { ${paths.map(quoted).join(', ')} }
local turn = 0
${varied ? luaVaried(cookiesFile, addresses) : LUA_FIXED}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\nRESULT {"requests":%d,"duration":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
`
}

// Made once: the load must cost less than what it loads.
const LUA_FIXED = `local made = {}
function init()
  for i, path in ipairs(paths) do made[i] = wrk.format('GET', path, headers) end
end
function request()
  turn = turn % #made + 1
  return made[turn]
end`

const luaVaried = (cookiesFile: string | undefined, addresses: number | undefined): string => `local cookies = {}
function init()
  ${cookiesFile === undefined ? '' : `for line in io.lines(${quoted(cookiesFile)}) do cookies[#cookies + 1] = line end`}
end
function request()
  turn = turn + 1
  if #cookies > 0 then headers['Cookie'] = cookies[turn % #cookies + 1] end
  ${
    addresses === undefined
      ? ''
      : `local n = turn % ${addresses}
  headers['X-Forwarded-For'] = '10.' .. math.floor(n / 65536) % 256 .. '.' .. math.floor(n / 256) % 256 .. '.' .. n % 256`
  }
  return wrk.format('GET', paths[turn % #paths + 1], headers)
end`
