import { request } from 'undici'
import type { Cell } from './comparison.ts'
import type { Contender, Running } from './contenders/contender.ts'
import { cpuMicrosOf, memoryMiBOf } from './process-tree.ts'
import type { Program } from './programs.ts'
import type { Site } from './site.ts'
import { BROWSER_HEADERS, PATHS, runLoad, type LoadOptions } from './wrk.ts'

export type Load = Omit<LoadOptions, 'folder' | 'port'>

/** CPU of the proxy for each request that reached the application and came back, and how long it took. */
export async function measure(site: Site, { program, port }: Running, load: Load): Promise<Cell> {
  const reachedBefore = await site.upstream.requests()
  const before = cpuMicrosOf(program.pid)
  const options = { folder: site.folder, port, ...load, headers: withHost(load.headers, port) }
  const result = await runLoad(site, options).catch((error: unknown) => {
    throw explained(error, program)
  })
  const spent = cpuMicrosOf(program.pid) - before
  const reached = (await site.upstream.requests()) - reachedBefore
  // wrk calls a redirect a success. What was answered without the application was not what is measured here.
  if (reached < result.requests)
    throw new Error(`of ${result.requests} requests on port ${port} only ${reached} reached the application`)
  return {
    cpuMicrosPerRequest: spent / result.requests,
    requestsPerSecond: result.requests / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    memoryMiB: memoryMiBOf(program.pid),
  }
}

/** The reason behind a failure, where that is the end of the program that was asked. */
export function explained(error: unknown, program: Program): unknown {
  const end = program.end()
  return end === undefined ? error : new Error(end, { cause: error })
}

/** That it does what it is measured for: answers as the application does to whoever signed in, on every path, and to nobody else where it guards. */
export async function checkContender(site: Site, { name, guards }: Contender, running: Running, cookies: string) {
  const signedIn = await running.signIn().then(
    (headers) => withCookies(headers, cookies),
    (error: unknown) => {
      throw explained(error, running.program)
    },
  )
  for (const path of PATHS) {
    const answer = await ask(running.port, path, signedIn)
    if (answer.status !== 200 || answer.body !== site.upstream.body)
      throw new Error(
        `${name} answers ${answer.status} on ${path} to who is signed in, and not what the application says`,
      )
    if (guards && (await ask(running.port, path, cookies === '' ? {} : { Cookie: cookies })).status === 200)
      throw new Error(`${name} answers 200 on ${path} to who is not signed in`)
  }
}

/** The headers of a client with more cookies beside its own. */
export function withCookies(headers: Readonly<Record<string, string>>, cookies: string): Record<string, string> {
  const all = [headers['Cookie'], cookies].filter((part) => part !== undefined && part !== '')
  return all.length === 0 ? { ...headers } : { ...headers, Cookie: all.join('; ') }
}

const withHost = (headers: Readonly<Record<string, string>>, port: number): Record<string, string> => ({
  Host: `localhost:${port}`,
  ...headers,
})

async function ask(port: number, path: string, headers: Readonly<Record<string, string>>) {
  const { Connection: _, ...browser } = BROWSER_HEADERS
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    headers: withHost({ ...browser, ...headers }, port),
  })
  return { status: answer.statusCode, body: await answer.body.text() }
}
