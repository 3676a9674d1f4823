import t from 'tap'
import { runCommand } from '../helpers/process.ts'
import { startWorld, type World } from '../helpers/world.ts'

type Tap = Parameters<typeof startWorld>[0]

/** What the pod of `helm test` runs, here without a pod. */
async function reach(t: Tap, world: World, env: Readonly<Record<string, string>>) {
  const run = runCommand(t, [], {
    script: 'helm/cognito-gateway/files/reach.mjs',
    env: {
      GATEWAY_URL: world.url,
      GATEWAY_HOST: 'localhost',
      PREFIX: '/oauth2',
      PING_PATH: '/oauth2/ping',
      TEST_PATH: '/',
      ...env,
    },
  })
  return { code: await run.ended, out: run.out(), err: run.err() }
}

const machineOf = ({ pool }: World) => ({
  ISSUER: pool.issuer,
  CLIENT_ID: 'orders-batch',
  CLIENT_SECRET: 'orders-batch-secret',
  TEST_PATH: '/api/orders/1',
})

t.test('helm test lets a machine through to an application, and says what it saw', async (t) => {
  const world = await startWorld(t)
  const { code, out, err } = await reach(t, world, machineOf(world))
  t.equal(err, '')
  t.equal(code, 0)
  t.match(out, 'ok: the gateway serves (status 200)')
  t.match(out, 'ok: it sends people to sign in (status 302)')
  t.match(out, 'ok: a machine reaches an application at /api/orders/1 (status 200)')
  t.equal(world.application.last().url, '/api/orders/1')
})

t.test('helm test without a machine says what it left out', async (t) => {
  const { code, out } = await reach(t, await startWorld(t), {})
  t.equal(code, 0)
  t.match(out, /left out: a machine reaches an application/)
})

t.test('helm test fails where the machine may not pass, and tells the code but no secret', async (t) => {
  const world = await startWorld(t)
  const { code, out, err } = await reach(t, world, { ...machineOf(world), TEST_PATH: '/admin/' })
  t.equal(code, 1)
  t.match(err, 'a machine reaches an application at /admin/: no (status 403, GW_FORBIDDEN)')
  t.notMatch(out + err, 'orders-batch-secret')
  t.notMatch(out + err, /eyJ/)
})

t.test('helm test fails where the application behind does not answer', async (t) => {
  const world = await startWorld(t, { upstream: 'http://127.0.0.1:9' })
  const { code, err } = await reach(t, world, machineOf(world))
  t.equal(code, 1)
  t.match(err, /no \(status 502, GW_UPSTREAM_UNREACHABLE\)/)
})

t.test('helm test fails where nobody serves', async (t) => {
  const world = await startWorld(t)
  await world.gateway.close()
  const { code, err } = await reach(t, world, {})
  t.equal(code, 1)
  t.match(err, /ECONNREFUSED/)
})
