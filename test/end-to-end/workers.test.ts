import { renameSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import t from 'tap'
import { runCommand, type Run } from '../helpers/process.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { freePort, startWorld, type World, type WorldOptions } from '../helpers/world.ts'

// A gateway with workers is three to five processes: starting them takes its time.
t.setTimeout(150_000)

interface Teardown {
  teardown(fn: () => unknown): unknown
}

interface Crew extends World {
  readonly run: Run
  readonly adminUrl: string
  /** The process of each worker that ever listened, by its number. */
  pids(): ReadonlyMap<number, number>
  /** The process of a worker that listens. */
  pidOf(worker: number): number
  /** Which workers answered requests for this path; waits until as many are logged. */
  servers(path: string, count: number): Promise<ReadonlySet<number>>
  ready(): Promise<number>
}

type Line = Readonly<Record<string, string | number | undefined>>

/** A world whose gateway is the real command with workers, two unless said otherwise. */
async function startCrew(t: Teardown, options: WorldOptions & { readonly workers?: number } = {}): Promise<Crew> {
  const world = await startWorld(t, options)
  await world.gateway.close()
  const adminPort = await freePort()
  const run = runCommand(t, ['serve', '--config', world.settingsFile], {
    env: { COGNITO_GATEWAY__ADMIN__PORT: String(adminPort), COGNITO_GATEWAY__WORKERS: String(options.workers ?? 2) },
  })
  await run.shows(/"adminPort"/)
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const lines = (): readonly Line[] =>
    run
      .out()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  const pids = (): ReadonlyMap<number, number> =>
    new Map(
      lines().flatMap(({ event, worker, pid }) =>
        event === 'listening' && worker !== undefined ? [[Number(worker), Number(pid)] as const] : [],
      ),
    )
  const ready = async (): Promise<number> => (await fetch(`${adminUrl}/readyz`)).status
  await until(async () => (await ready()) === 200)
  // Their lines may come a moment later.
  await until(async () => pids().size === (options.workers ?? 2))
  return {
    ...world,
    run,
    adminUrl,
    metrics: async () => (await fetch(`${adminUrl}/metrics`)).text(),
    ready,
    pids,
    pidOf(worker) {
      const pid = pids().get(worker)
      if (pid === undefined) throw new Error(`no worker ${worker} listens`)
      return pid
    },
    async servers(path, count) {
      const served = (): readonly Line[] =>
        lines().filter((line) => line['event'] === 'request' && line['path'] === path)
      await until(async () => served().length >= count)
      return new Set(served().map((line) => Number(line['worker'])))
    },
  }
}

/** As many requests at once, each on a connection of its own. */
async function askAtOnce(
  { port, url }: World,
  path: string,
  { count, cookie = '' }: { count: number; cookie?: string },
): Promise<readonly number[]> {
  const bytes = `GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\nCookie: ${cookie}\r\n\r\n`
  const answers = await Promise.all(Array.from({ length: count }, async () => sendRaw(port, bytes)))
  return answers.map(({ status }) => status)
}

/** As many requests that wait for their answer as long as it takes; 0 for those that get none. */
const askSlowly = (crew: World, count: number): readonly Promise<number>[] =>
  Array.from({ length: count }, async () =>
    crew
      .client()
      .ask(`${crew.url}/public/slow`)
      .then(
        ({ status }) => status,
        () => 0,
      ),
  )

const times = (count: number, status: number): readonly number[] => Array.from({ length: count }, () => status)
const valueOf = (metrics: string, series: string): number =>
  Number(
    metrics
      .split('\n')
      .find((line) => line.startsWith(`cognito_gateway_${series} `))
      ?.split(' ')[1],
  )
const PUBLIC = 'requests_total{route="sample/public",method="GET",status="200"}'

/** An application that answers what is called slow only when it is let. */
function slowApplication() {
  const waiting: ServerResponse[] = []
  return {
    waiting,
    answer: ((request, response) => {
      if (request.url === '/public/slow') waiting.push(response)
      else response.end('ok')
    }) satisfies WorldOptions['answer'],
  }
}

t.test(
  'forty requests over four workers with an expired token cause one refresh, with rotation and no grace',
  async (t) => {
    const crew = await startCrew(t, { workers: 4, client: { accessTokenSeconds: 300, rotation: { graceSeconds: 0 } } })
    // The pool's clock lags, so that its tokens are expired on arrival, by less than a verifier forgives.
    crew.clock.advance((Date.now() - crew.clock.now()) / 1000 - 310)
    const browser = crew.client()
    await browser.signIn(`${crew.url}/oauth2/start?rd=/public/x`)
    const cookie = `__Host-gateway=${browser.jarOf(new URL(crew.url).host).get('__Host-gateway')}`
    crew.clock.advance((Date.now() - crew.clock.now()) / 1000)

    const before = crew.pool.calls['token'] ?? 0
    t.same(await askAtOnce(crew, '/page', { count: 40, cookie }), times(40, 200))
    t.equal((crew.pool.calls['token'] ?? 0) - before, 1)
    t.equal((await crew.servers('/page', 40)).size, 4, 'every worker took a part of them')
    t.equal(valueOf(await crew.metrics(), 'token_refreshes_total{result="renewed",reason=""}'), 1)
    t.notMatch(crew.run.out() + crew.run.err(), cookie)
  },
)

t.test('a sign-out at one worker ends the copied cookie at all, and at one that comes later', async (t) => {
  const crew = await startCrew(t)
  const browser = crew.client()
  await browser.signIn(`${crew.url}/page`)
  const cookie = `__Host-gateway=${browser.jarOf(new URL(crew.url).host).get('__Host-gateway')}`
  t.same(await askAtOnce(crew, '/before', { count: 16, cookie }), times(16, 200))
  t.equal((await crew.servers('/before', 16)).size, 2)

  await browser.submit(await browser.visit(`${crew.url}/oauth2/sign_out`), {}, { follow: false })
  t.same(await askAtOnce(crew, '/after', { count: 16, cookie }), times(16, 401))
  t.equal((await crew.servers('/after', 16)).size, 2)

  process.kill(crew.pidOf(1), 'SIGKILL')
  await until(async () => crew.pids().has(3))
  t.same(await askAtOnce(crew, '/later', { count: 16, cookie }), times(16, 401))
  t.ok((await crew.servers('/later', 16)).has(3))
})

t.test('a worker that is killed is replaced; the others go on, and no counter falls', async (t) => {
  const { waiting, answer } = slowApplication()
  const crew = await startCrew(t, { answer })
  t.same(await askAtOnce(crew, '/public/x', { count: 20 }), times(20, 200))
  t.equal(valueOf(await crew.metrics(), PUBLIC), 20)

  const slow = askSlowly(crew, 8)
  await until(async () => waiting.length === 8)
  t.equal(valueOf(await crew.metrics(), 'requests_in_flight'), 8)
  process.kill(crew.pidOf(2), 'SIGKILL')
  await crew.run.shows('"event":"worker_ended"')
  t.same(await askAtOnce(crew, '/public/x', { count: 20 }), times(20, 200), 'at once, by the others')
  t.equal(await crew.ready(), 200)
  t.equal(valueOf(await crew.metrics(), PUBLIC), 40, 'what the dead one counted still counts')
  for (const response of waiting) response.end('late')
  const answered = (await Promise.all(slow)).filter((status) => status === 200)
  t.ok(answered.length > 0, 'what others had under way was not disturbed')
  t.notOk((await crew.servers('/public/slow', answered.length)).has(2))

  await until(async () => crew.pids().has(3))
  t.same(await askAtOnce(crew, '/public/new', { count: 20 }), times(20, 200))
  t.ok((await crew.servers('/public/new', 20)).has(3))
  t.equal(valueOf(await crew.metrics(), PUBLIC), 60 + answered.length)
  t.equal(valueOf(await crew.metrics(), 'requests_in_flight'), 0)
})

t.test('metrics are those of one gateway, also while a worker hangs', async (t) => {
  const crew = await startCrew(t)
  await askAtOnce(crew, '/public/x', { count: 20 })
  const text = await crew.metrics()
  t.equal(valueOf(text, PUBLIC), 20)
  t.equal(valueOf(text, 'request_duration_seconds_count{route="sample/public"}'), 20)
  t.match(text, /^cognito_gateway_build_info\{[^}]*\} 1$/m)
  t.match(text, /^nodejs_version_info\{[^}]*\} 1$/m)
  t.match(text, /^process_start_time_seconds \d+$/m)
  t.ok(valueOf(text, 'jwks_age_seconds') < 60, 'an age is not summed up')
  const names = text.split('\n').flatMap((line) => (line.startsWith('# TYPE') ? [line.split(' ')[2]] : []))
  t.equal(new Set(names).size, names.length)

  const hangs = crew.pidOf(2)
  process.kill(hangs, 'SIGSTOP')
  const startedAt = performance.now()
  t.equal(valueOf(await crew.metrics(), PUBLIC), 20, 'with the last counts of the one that hangs')
  t.ok(performance.now() - startedAt < 3_000)
  process.kill(hangs, 'SIGCONT')
})

t.test('SIGTERM to all: unready at once, what is under way is finished, the end is 0', async (t) => {
  const { waiting, answer } = slowApplication()
  const crew = await startCrew(t, {
    answer,
    settings: { shutdown: { drainDelaySeconds: 1, shutdownTimeoutSeconds: 20 } },
  })
  const slow = askSlowly(crew, 8)
  await until(async () => waiting.length === 8)
  // As Ctrl-C does on a terminal.
  for (const pid of crew.pids().values()) process.kill(pid, 'SIGTERM')
  crew.run.child.kill('SIGTERM')
  await until(async () => (await crew.ready()) === 503)
  t.same(await askAtOnce(crew, '/public/x', { count: 4 }), times(4, 200), 'who comes meanwhile is served')
  await until(async () => (crew.run.out().match(/"event":"draining"/g) ?? []).length === 3)
  for (const response of waiting) response.end('late')
  t.same(await Promise.all(slow), times(8, 200))
  t.equal(await crew.run.ended, 0)
  t.equal(crew.run.out().match(/"event":"stopped"/g)?.length, 3)
  t.notMatch(crew.run.out(), 'worker_ended', 'nobody ended without being told to')
})

t.test('a second signal ends all processes at once, with 1', async (t) => {
  const { waiting, answer } = slowApplication()
  const crew = await startCrew(t, {
    answer,
    settings: { shutdown: { drainDelaySeconds: 60, shutdownTimeoutSeconds: 60 } },
  })
  const slow = askSlowly(crew, 4)
  await until(async () => waiting.length === 4)
  crew.run.child.kill('SIGINT')
  await crew.run.shows('"event":"draining"')
  crew.run.child.kill('SIGINT')
  // Its output ends only when no worker holds it any more.
  t.equal(await crew.run.ended, 1)
  t.same(await Promise.all(slow), times(4, 0))
})

t.test('workers whose primary is killed finish what is under way and end by themselves', async (t) => {
  const { waiting, answer } = slowApplication()
  const crew = await startCrew(t, {
    answer,
    settings: { shutdown: { drainDelaySeconds: 60, shutdownTimeoutSeconds: 20 } },
  })
  const slow = askSlowly(crew, 4)
  await until(async () => waiting.length === 4)
  crew.run.child.kill('SIGKILL')
  await until(async () => (crew.run.out().match(/"event":"draining"/g) ?? []).length === 2)
  for (const response of waiting) response.end('late')
  t.same(await Promise.all(slow), times(4, 200))
  await crew.run.ended
  t.equal(crew.run.out().match(/"event":"stopped"/g)?.length, 2)
})

t.test('a port that is taken ends all with one clear sentence', async (t) => {
  const world = await startWorld(t)
  const workers = { COGNITO_GATEWAY__WORKERS: '2' }
  const sentence = (port: number): string =>
    `Port ${port} on 127.0.0.1 is taken. Stop the program that listens there, or choose another port.`
  const run = runCommand(t, ['serve', '--config', world.settingsFile], { env: workers })
  t.equal(await run.ended, 1)
  t.same(run.err().match(/^Port.*/gm), [sentence(world.port)])
  await world.gateway.close()
  const taken = Number(new URL(world.pool.url).port)
  const admin = runCommand(t, ['serve', '--config', world.settingsFile], {
    env: { ...workers, COGNITO_GATEWAY__ADMIN__PORT: String(taken) },
  })
  t.equal(await admin.ended, 1)
  t.same(admin.err().match(/^Port.*/gm), [sentence(taken)])
})

t.test('a worker that cannot be replaced is tried again, more slowly each time, while the others serve', async (t) => {
  const crew = await startCrew(t)
  const key = join(dirname(crew.settingsFile), 'session-key')
  renameSync(key, `${key}.away`)
  process.kill(crew.pidOf(2), 'SIGKILL')
  await crew.run.shows(/"event":"worker_failed".*session-key/)
  await crew.run.shows('"replacedInSeconds":2')
  t.same(await askAtOnce(crew, '/public/x', { count: 8 }), times(8, 200))
  renameSync(`${key}.away`, key)
  await until(async () => crew.pids().size === 3)
  t.equal(await crew.ready(), 200)
})

t.test('the control port speaks for all workers: their sign-ins, and their log level', async (t) => {
  const controlPort = await freePort()
  const crew = await startCrew(t, { settings: { control: { port: controlPort } } })
  // Each request over a connection of its own, so that the next worker takes it.
  async function signIn(): Promise<number> {
    const browser = crew.client()
    const ask = async (address = '') => browser.ask(address, { headers: { connection: 'close' } })
    const start = await ask(`${crew.url}/oauth2/start?rd=/page`)
    const login = await browser.visit(start.header('location') ?? '')
    const back = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' }, { follow: false })
    return (await ask(back.header('location'))).status
  }
  const control = async (path: string, options?: RequestInit) =>
    (await fetch(`http://127.0.0.1:${controlPort}${path}`, options)).json()

  t.equal(await signIn(), 303)
  t.notSame(await crew.servers('/oauth2/start', 1), await crew.servers('/oauth2/callback', 1))
  t.match(await control('/logins?email=alice@example.com'), {
    logins: [{ stage: 'session_set', result: 'signed_in', references: [/./, /./] }],
  })

  const headers = { 'content-type': 'application/json' }
  await control('/log-level', { method: 'PUT', headers, body: '{"level":"debug"}' })
  process.kill(crew.pidOf(1), 'SIGKILL')
  await until(async () => crew.pids().has(3))
  t.equal(await signIn(), 303)
  // They take turns: with one request between, the other worker gets the callback of the next sign-in.
  await askAtOnce(crew, '/public/x', { count: 1 })
  t.equal(await signIn(), 303)
  // A line for debugging, of the worker that was there and of the one that came later.
  for (const worker of [2, 3]) await crew.run.shows(new RegExp(`"worker":${worker},"event":"sign_in_exchanged"`))
})
