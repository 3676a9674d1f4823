import t from 'tap'
import { runCommand } from '../helpers/process.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { freePort, startWorld } from '../helpers/world.ts'

t.test(
  'RL19 a replica that is killed while it refreshes loses nobody: another one takes over when its lock is over',
  { skip: noRedis ?? false },
  async (t) => {
    const redis = await startRedis(t)
    // A process of its own goes by the real time: claims are due again after a second.
    const world = await startWorld(t, {
      client: { rotation: { graceSeconds: 0 } },
      redisUrl: redis.url,
      session: { recheckSeconds: 1 },
    })
    const port = await freePort()
    const leader = runCommand(t, ['serve', '--config', world.settingsFile], {
      env: { COGNITO_GATEWAY__LISTEN__PORT: String(port), COGNITO_GATEWAY__ADMIN__PORT: String(await freePort()) },
    })
    await leader.shows('"event":"listening"')
    const browser = world.client()
    await browser.signIn(`${world.url}/`)
    const cookie = `__Host-gateway=${browser.jarOf(new URL(world.url).host).get('__Host-gateway') ?? ''}`
    const tokenCalls = (): number => world.pool.calls['token'] ?? 0

    world.pool.faults.push({ on: 'token', hang: true })
    const before = tokenCalls()
    const killed: Promise<unknown>[] = []
    await until(async () => {
      killed.push(
        world
          .client()
          .ask(`http://localhost:${port}/page`, { headers: { cookie } })
          .catch(() => undefined),
      )
      await new Promise((resolve) => setImmediate(resolve))
      return tokenCalls() > before
    })
    leader.child.kill('SIGKILL')
    await leader.ended
    await Promise.all(killed)

    world.clock.advance(2)
    const startedAt = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => world.client().ask(`${world.url}/page`, { headers: { cookie } })),
    )
    t.ok(answers.every(({ status }) => status === 200))
    t.ok(
      answers.every((answer) => /^__Host-gateway=[^;]/.test(answer.header('set-cookie') ?? '')),
      'all renewed',
    )
    t.equal(tokenCalls() - before, 2)
    t.ok(performance.now() - startedAt < 30_000)
  },
)
