import { chownSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import t from 'tap'
import { podman, prepareImage, runContainer, type Container } from '../helpers/podman.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World, type WorldOptions } from '../helpers/world.ts'

// The image is built first: on a machine that has none of its layers yet that takes its time.
t.setTimeout(170_000)

const skip = prepareImage()
const UID = 65_532

type Test = Parameters<typeof startWorld>[0]

/** What a gateway's container has of the world outside: its settings and secrets, which are its own user's. */
function settingsIn(world: World): string {
  const folder = dirname(world.settingsFile)
  for (const path of [folder, ...readdirSync(folder).map((file) => join(folder, file))]) chownSync(path, UID, UID)
  return `--volume=${folder}:/etc/cognito-gateway:ro`
}

/** The gateway of a world in a container, started as the image starts it by itself. Empty folders lie over every shell and tool: only Node is left. */
async function startContainer(t: Test, options: WorldOptions = {}): Promise<World & { readonly container: Container }> {
  const world = await startWorld(t, options)
  await world.gateway.close()
  const container = runContainer(t, [], {
    podman: [settingsIn(world), '--tmpfs=/usr/bin:ro', '--tmpfs=/usr/sbin:ro'],
  })
  await container.shows('"event":"listening"')
  return { ...world, container }
}

t.test('a hardened container signs a person in, passes requests on, and signs out', { skip }, async (t) => {
  const { url, pool, application, client } = await startContainer(t)
  const browser = client()
  const landed = await browser.signIn(`${url}/reports/2026?quarter=3`)
  t.equal(landed.status, 200)
  t.equal(landed.url, `${url}/reports/2026?quarter=3`)
  t.equal(application.last().headers['x-forwarded-email'], 'alice@example.com')

  const confirm = await browser.visit(`${url}/oauth2/sign_out`)
  t.equal((await browser.submit(confirm, {})).url, `${url}/oauth2/signed_out`)
  t.match((await browser.visit(`${url}/`)).url, `${pool.url}/login`)
})

t.test('a container is ready soon after its start', { skip }, async (t) => {
  const world = await startWorld(t)
  await world.gateway.close()
  const settings = settingsIn(world)
  const from = performance.now()
  const container = runContainer(t, [], { podman: [settings] })
  await container.shows(/"adminPort":\d+/)
  const busy = processorSeconds(Number(podman('inspect', '--format={{.State.Pid}}', container.name).out))
  const admin = `http://127.0.0.1:${/"adminPort":(\d+)/.exec(container.out())?.[1] ?? ''}`
  await until(async () => (await fetch(`${admin}/readyz`)).status === 200)
  const seconds = (performance.now() - from) / 1000
  t.comment(`ready ${seconds.toFixed(2)} s after podman was started; it was busy for ${busy} s before it listened`)
  // How long that takes on the clock is a matter of who else is busy on the machine.
  t.ok(busy > 0 && busy < 1.5, `${busy} s`)
})

/** How long a process has been busy since its start, by the hundredths of a second that the system counts. */
function processorSeconds(pid: number): number {
  // The name before may hold spaces. User and system time are the 14th and 15th field.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

t.test('a container that is told to stop answers what is under way, and ends with 0', { skip }, async (t) => {
  const waiting: ServerResponse[] = []
  const { url, client, container } = await startContainer(t, { answer: (_request, response) => waiting.push(response) })
  const answer = client().ask(`${url}/public/slow`)
  await until(() => waiting.length === 1)
  container.child.kill('SIGTERM')
  await container.shows('"event":"draining"')
  waiting[0]?.end('late, but whole')
  t.equal((await answer).text, 'late, but whole')
  t.equal(await container.ended, 0)
})

t.test('a container serves with several processes', { skip }, async (t) => {
  const { url, client, container } = await startContainer(t, { settings: { workers: 2 } })
  t.equal((await client().signIn(`${url}/page`)).status, 200)
  container.child.kill('SIGTERM')
  t.equal(await container.ended, 0)
})

t.test('the image runs every command, for any user', { skip }, async (t) => {
  const world = await startWorld(t)
  const settings = { podman: [settingsIn(world)] }
  const version = runContainer(t, ['--version'], { podman: ['--user=1000760000:0'] })
  const key = runContainer(t, ['keygen'])
  const check = runContainer(t, ['check', '--config', '/etc/cognito-gateway/gateway.yaml'], settings)
  t.strictSame(await Promise.all([version.ended, key.ended, check.ended]), [0, 0, 0], check.out() + check.err())
  t.match(version.out(), /^\d+\.\d+\.\d+\n$/)
  t.match(key.out(), /^[\w-]{43}\n$/)
})

t.test('what is wrong with its settings a container says at its start, and ends with 1', { skip }, async (t) => {
  const world = await startWorld(t)
  const settings = { podman: [settingsIn(world)] }
  rmSync(join(dirname(world.settingsFile), 'session-key'))
  const keyless = runContainer(t, [], settings)
  const none = runContainer(t, [])
  t.strictSame(await Promise.all([keyless.ended, none.ended]), [1, 1])
  t.match(keyless.err(), /session-key/)
  t.match(none.err(), '/etc/cognito-gateway/gateway.yaml')

  writeFileSync(world.settingsFile, 'publicUrl: nowhere\n')
  const wrong = runContainer(t, [], settings)
  t.equal(await wrong.ended, 1)
  t.match(wrong.err(), 'publicUrl')

  t.notMatch(keyless.err() + wrong.err() + none.err(), /^\s+at /m, 'no stack')
})
