import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { serveApart, valueOf } from '../helpers/gateway-process.ts'
import { runCommand } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

// Processes are started: on a busy machine that takes its time.
t.setTimeout(150_000)

/** A new key takes the place of the one in the list, whose file stays. */
function changeKey({ settingsFile }: World): void {
  writeFileSync(join(dirname(settingsFile), 'next-key'), randomBytes(32).toString('base64url'), { mode: 0o600 })
  writeFileSync(settingsFile, readFileSync(settingsFile, 'utf8').replace('"session-key"', '"next-key"'))
}

/** Signs in and gives back a request with that very session, whatever cookie comes later. */
async function askerOf(world: World) {
  const browser = world.client()
  await browser.signIn(`${world.url}/page`)
  const cookie = `__Host-gateway=${browser.jarOf(new URL(world.url).host).get('__Host-gateway')}`
  return async (): Promise<number> => (await world.client().ask(`${world.url}/page`, { headers: { cookie } })).status
}

t.test('RL19 a hangup takes over what has changed and never ends the process', async (t) => {
  const world = await startWorld(t)
  const run = await serveApart(t, world)
  const asked = await askerOf(world)
  run.child.kill('SIGHUP')
  t.equal(await asked(), 200)
  changeKey(world)
  run.child.kill('SIGHUP')
  await run.shows('"event":"settings_applied"')
  t.equal(await asked(), 401)
  t.equal(valueOf(await run.metrics(), 'cognito_gateway_config_reloads_total{result="applied"}'), 1)
})

t.test(
  'RL19 a hangup of all processes of a gateway with workers does the same in each, and is told once',
  async (t) => {
    const world = await startWorld(t, { settings: { workers: 2 } })
    const run = await serveApart(t, world)
    await until(() => run.out().match(/"pid":\d+/g)?.length === 2)
    const asked = await askerOf(world)
    changeKey(world)
    const pids = [...run.out().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid))
    for (const pid of [...pids, run.child.pid ?? 0]) process.kill(pid, 'SIGHUP')
    await run.shows('"event":"settings_applied"')
    const answers = async (): Promise<readonly number[]> => Promise.all(Array.from({ length: 12 }, asked))
    await until(async () => (await answers()).every((status) => status === 401))
    t.equal(run.out().match(/settings_applied/g)?.length, 1)
    t.equal(valueOf(await run.metrics(), 'cognito_gateway_config_reloads_total{result="applied"}'), 1)
    t.notMatch(run.out(), 'worker_ended')
  },
)

t.test('RL19 the second SIGTERM ends the process at once, with 1', async (t) => {
  const world = await startWorld(t, { settings: { shutdown: { drainDelaySeconds: 60, shutdownTimeoutSeconds: 60 } } })
  const run = await serveApart(t, world)
  run.child.kill('SIGTERM')
  await run.shows('"event":"draining"')
  run.child.kill('SIGHUP')
  t.equal((await world.client().ask(`${world.url}/public/x`)).status, 200, 'it still serves')
  run.child.kill('SIGTERM')
  t.equal(await run.ended, 1)
})

t.test(
  'RL19 a process that is killed in the middle of a refresh loses no session where rotation has a grace',
  async (t) => {
    const world = await startWorld(t, {
      client: { rotation: { graceSeconds: 10 } },
      settings: { session: { keys: [{ file: 'session-key' }], recheckSeconds: 1 } },
    })
    const run = await serveApart(t, world)
    const asked = await askerOf(world)
    const refreshes = (): number => (world.pool.calls['token'] ?? 0) - 1
    let rotated = false
    world.pool.tamper = () => {
      rotated = true
      return undefined
    }
    world.pool.faults.push({ on: 'token', delayMs: 200 })
    await until(async () => {
      const answer = asked().catch(() => 0)
      await Promise.race([answer, until(() => refreshes() > 0)])
      return refreshes() > 0
    })
    run.child.kill('SIGKILL')
    await run.ended
    await until(() => rotated)
    const next = runCommand(t, ['serve', '--config', world.settingsFile])
    await next.shows('"event":"listening"')
    t.equal(await asked(), 200, 'with the refresh token from before, whose successor nobody got')
    t.equal(refreshes(), 2)
  },
)
