import { readFileSync } from 'node:fs'
import t from 'tap'
import { revoke as command } from '../../src/commands/revoke.ts'
import { runCommand } from '../helpers/process.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { CONTROL_TOKEN, freePort, startWorld, type World } from '../helpers/world.ts'
import { runHere } from '../helpers/command.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const SUB = '11111111-2222-3333-4444-555555555555'

async function startControlled(t: Teardown, redisUrl?: string): Promise<World> {
  const control = { port: await freePort(), token: { file: 'control-token' } }
  return startWorld(t, { settings: { control }, ...(redisUrl === undefined ? {} : { redisUrl }) })
}

const revoke = async (settingsFile: string, args: readonly string[]) =>
  runHere(command, ['--config', settingsFile, ...args])

t.test('revoke asks the control port and says what has ended', { skip: noRedis ?? false }, async (t) => {
  const world = await startControlled(t, (await startRedis(t)).url)
  const run = runCommand(t, ['revoke', '--config', world.settingsFile, '--sub', SUB])
  t.equal(await run.ended, 0)
  t.match(run.out(), new RegExp(`^Everything of ${SUB} in pool local that began until 2\\S+Z has ended\\.\\n$`))

  const session = 's'.repeat(22)
  t.match(await revoke(world.settingsFile, ['--session', session]), { code: 0, out: `Session ${session} has ended.\n` })
  const everything = await revoke(world.settingsFile, ['--before', '2025-01-31T03:00:00Z'])
  t.match(everything, { code: 0, out: 'Everything that began until 2025-01-31T03:00:00.000Z has ended.\n' })
  const { out } = await revoke(world.settingsFile, ['--sub', SUB, '--pool', 'local', '--json'])
  t.match(JSON.parse(out), { revoked: 'person', pool: 'local', sub: SUB })
  const other = await revoke(world.settingsFile, ['--sub', SUB, '--pool', 'other'])
  t.match(other, { code: 1, out: '', err: /^Nothing was revoked: there is no pool other; there is local\.\n$/ })

  t.equal(world.log.filter((line) => line.includes('"event":"revoked"')).length, 4)
  t.notMatch(run.out() + other.err + world.log.join(''), CONTROL_TOKEN)
})

t.test('revoke says why nothing was revoked: by the gateway, or because none answers', async (t) => {
  const { settingsFile, gateway } = await startControlled(t)
  const forgotten = /^Nothing was revoked: without session\.redis a revocation would be forgotten/
  t.match(await revoke(settingsFile, ['--sub', SUB]), { code: 1, err: forgotten })
  await gateway.close()
  const { control } = JSON.parse(readFileSync(settingsFile, 'utf8'))
  const nobody = `Nothing answers at http://127.0.0.1:${control.port} as a control port does.`
  t.match(await revoke(settingsFile, ['--sub', SUB]), { code: 1, err: nobody })
  const without = await startWorld(t)
  t.match(await revoke(without.settingsFile, ['--sub', SUB]), { code: 1, err: 'The settings name no control port' })
})

t.test('revoke takes one thing to end', async (t) => {
  for (const [args, message] of [
    [[], 'Give one of --sub, --session and --before.'],
    [['--sub', 'a', '--session', 'b'], 'Give one of --sub, --session and --before.'],
    [['--pool', 'local', '--session', 'b'], '--pool goes with --sub only.'],
    [['--before', 'yesterday'], /--before must be a moment with its zone/],
    [['--everybody'], "Unknown option '--everybody'."],
  ] as const)
    await t.rejects(revoke('x.yaml', args), { message })
})
