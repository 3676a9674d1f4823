import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { newSessionKey } from '../../src/commands/keygen.ts'
import { outdatedNode } from '../../src/commands/unsafe-process.ts'
import { PoolSettings } from '../../src/local/pool-settings.ts'
import { startSampleApplication } from '../../src/local/sample-application.ts'
import { root, runCommand, runProgram } from '../helpers/process.ts'
import { freePort, startWorld } from '../helpers/world.ts'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

t.test('the command explains itself', async (t) => {
  const overview = runCommand(t, ['--help'])
  t.equal(await overview.ended, 0)
  for (const name of ['serve', 'check', 'explain', 'revoke', 'probe-upstream', 'keygen', 'demo', 'local-pool']) {
    t.match(overview.out(), name)
    const help = runCommand(t, [name, '--help'])
    t.equal(await help.ended, 0)
    t.match(help.out(), `Usage: cognito-gateway ${name}`)
  }
  const version = runCommand(t, ['--version'])
  t.equal(await version.ended, 0)
  t.equal(version.out().trim(), manifest.version)
})

t.test('K17 what the command does not know, a secret among it, is an error in a sentence, with 2', async (t) => {
  const cases: readonly (readonly [readonly string[], string | RegExp])[] = [
    [[], 'Usage: cognito-gateway COMMAND'],
    [['fly'], "There is no command 'fly'"],
    [['serve', '--conifg', 'x'], "Unknown option '--conifg'"],
    [['serve', '--config', 'x', '--client-secret', 'K17'], "Unknown option '--client-secret'"],
    [['serve'], '--config is missing'],
    [['check', '--config', 'x', '--replicas', 'many'], '--replicas must be a whole number'],
    [['keygen', 'assertion', 'x'], 'Unexpected argument'],
    [['keygen', 'house'], "'house' is no kind of key"],
    [['keygen', 'house'], 'cognito-gateway keygen --help tells more.'],
  ]
  for (const [args, says] of cases) {
    const run = runCommand(t, args)
    t.equal(await run.ended, 2, args.join(' '))
    t.match(run.out() + run.err(), says)
    t.notMatch(run.err(), /^\s+at /m, 'no stack')
    t.ok(run.err().trim().split('\n').length <= 2, 'and no page of help that hides it')
  }
})

t.test('keygen prints a key of 32 bytes, another one each time', async (t) => {
  const [one, two] = [runCommand(t, ['keygen']), runCommand(t, ['keygen', 'session'])]
  await Promise.all([one.ended, two.ended])
  t.match(one.out(), /^[\w-]{43}\n$/)
  t.not(one.out(), two.out())
})

t.test('keygen assertion prints a P-256 private key as PEM', async (t) => {
  const run = runCommand(t, ['keygen', 'assertion'])
  await run.ended
  t.equal(createPrivateKey(run.out()).asymmetricKeyDetails?.namedCurve, 'prime256v1')
})

t.test('from a clone every command is behind npm run gateway', async (t) => {
  t.equal(manifest.scripts.gateway, 'node scripts/start.mjs --')
  const run = runCommand(t, ['--', 'keygen'], { script: 'scripts/start.mjs' })
  t.equal(await run.ended, 0)
  t.match(run.out(), /^[\w-]{43}\n$/)
})

t.test('check says everything that is wrong, with line and column, and ends with 1', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'check-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, 'publicUrl: ftp://x\nlisten: { prot: 1 }\n')
  const run = runCommand(t, ['check', '--config', file])
  t.equal(await run.ended, 1)
  t.match(run.err(), `${file}:1:`)
  t.match(run.err(), `${file}:2:`)
  t.match(run.err(), /port/)
  const json = runCommand(t, ['check', '--config', file, '--json'])
  t.equal(await json.ended, 1)
  t.match(JSON.parse(json.out()), { ok: false, faults: [{ line: 1 }] })
})

t.test('check --print shows what holds and where it came from, without a secret', async (t) => {
  const { settingsFile } = await startWorld(t)
  const run = runCommand(t, ['check', '--config', settingsFile, '--print'], {
    env: { COGNITO_GATEWAY__SESSION__IDLETIMEOUTSECONDS: '777' },
  })
  t.equal(await run.ended, 0)
  t.match(run.out(), /idleTimeoutSeconds: 777/)
  t.match(run.out(), 'COGNITO_GATEWAY__SESSION__IDLETIMEOUTSECONDS')
  t.match(run.out(), '[secret]')
  t.notMatch(run.out(), 'web+secret')
})

t.test('serve runs until SIGTERM, drains, and ends with 0; its log is JSON', async (t) => {
  const world = await startWorld(t)
  await world.gateway.close()
  const run = runCommand(t, ['serve', '--config', world.settingsFile], {
    env: { COGNITO_GATEWAY__ADMIN__PORT: String(await freePort()) },
  })
  await run.shows('"event":"listening"')
  t.equal((await world.client().ask(`${world.url}/public/x`)).status, 200)
  run.child.kill('SIGTERM')
  t.equal(await run.ended, 0)
  for (const line of run.out().trim().split('\n')) t.type(JSON.parse(line), 'object')
  t.match(run.out(), '"event":"stopped"')
})

t.test('a taken port is one clear sentence, not a stack', async (t) => {
  const world = await startWorld(t)
  const run = runCommand(t, ['serve', '--config', world.settingsFile])
  t.equal(await run.ended, 1)
  t.match(run.err(), `Port ${world.port} on 127.0.0.1 is taken`)
  t.notMatch(run.err(), /^\s+at /m)
})

t.test('K13 K19 G12 serve refuses to run where others could read along', async (t) => {
  const { settingsFile } = await startWorld(t)
  for (const name of ['NODE_TLS_REJECT_UNAUTHORIZED', 'SSLKEYLOGFILE']) {
    const run = runCommand(t, ['serve', '--config', settingsFile], { env: { [name]: '0' } })
    t.equal(await run.ended, 1)
    t.match(run.err(), name)
    const checked = runCommand(t, ['check', '--config', settingsFile], { env: { [name]: '0' } })
    t.equal(await checked.ended, 1, 'and check says so')
    t.match(checked.err(), `environment: ${name}`)
  }
  for (const flag of ['--insecure-http-parser', '--inspect=0', '--report-on-fatalerror']) {
    const run = runCommand(t, ['serve', '--config', settingsFile], { node: [flag] })
    t.equal(await run.ended, 1)
    t.match(run.err(), `started with ${flag}`)
  }
})

t.test('K19 a Node that is too old is refused, and one with known holes is warned about', async (t) => {
  const verdict = (version: string): string => {
    const found = outdatedNode(version)
    return found === undefined ? 'fine' : found.refuse ? 'refused' : 'warned'
  }
  for (const version of ['18.20.8', '20.18.3', '0.12.0']) t.equal(verdict(version), 'refused', version)
  for (const version of ['20.19.0', '20.20.2', '21.7.3', '22.22.1', '22.9.9', '23.11.0', '24.14.0', '24.2.9'])
    t.equal(verdict(version), 'warned', version)
  for (const version of ['22.22.2', '22.23.0', '24.14.1', '24.15.0', '25.0.0', '26.1.0'])
    t.equal(verdict(version), 'fine', version)
  t.match(outdatedNode('20.20.2')?.says, /Node 20\.20\.2 .*: run 22\.22\.2, 24\.14\.1 or later/)
})

t.test(
  'npm start shows the whole product, Ctrl-C stops it cleanly, and a taken port is told in a sentence',
  async (t) => {
    const run = runCommand(t, [], { script: 'scripts/start.mjs' })
    await run.shows('Ctrl-C stops everything')
    for (const part of [
      'http://localhost:8080',
      'http://127.0.0.1:9229',
      'alice / Passw0rd!',
      'bob   / Passw0rd!',
      'Five things to try',
    ])
      t.match(run.out(), part)

    const second = runCommand(t, ['demo'])
    t.equal(await second.ended, 1)
    t.match(second.err(), /^Port 9229 on 127\.0\.0\.1 is taken\./)

    const { Client } = await import('../helpers/client.ts')
    const browser = new Client(t)
    const landed = await browser.signIn('http://localhost:8080/')
    t.equal(landed.status, 200)
    t.match(landed.text, 'alice@example.com')
    t.equal((await browser.ask('http://localhost:8080/admin/')).status, 200)
    t.equal((await new Client(t).signIn('http://localhost:8080/admin/', 'bob')).status, 403)
    t.equal((await fetch('http://localhost:9090/readyz')).status, 200)

    const [asProgram = '', token = '', asMachine = ''] = run.out().match(/^ {7}\S.*$/gm) ?? []
    const shell = (script: string): string =>
      execFileSync('sh', ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    t.match(
      shell(asProgram),
      /^HTTP\/1\.1 401 [\s\S]*GW_SIGN_IN_REQUIRED/,
      'the commands that it shows work as they stand',
    )
    t.match(shell(`${token}\n${asMachine}`), /^HTTP\/1\.1 200 /)

    // A terminal sends Ctrl-C to every process of the group.
    run.child.kill('SIGINT')
    run.child.kill('SIGTERM')
    t.equal(await run.ended, 0)
  },
)

t.test(
  'README shows how to try an application without AWS: its commands and settings work as they stand',
  async (t) => {
    const [, part = ''] = readFileSync(join(root, 'README.md'), 'utf8').split('### Before there is a user pool\n')
    const [, settings = '', commands = ''] = /```yaml\n([^`]*)```\n\n```sh\n([^`]*)```/.exec(part) ?? []
    const folder = mkdtempSync(join(tmpdir(), 'local-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    cpSync(join(root, 'config', 'local-pool.yaml'), join(folder, 'config', 'local-pool.yaml'))
    const application = await startSampleApplication({ host: '127.0.0.1', port: 0 })
    t.teardown(async () => application.close())
    writeFileSync(join(folder, 'local.yaml'), settings.replace('http://127.0.0.1:3000', application.url))
    writeFileSync(join(folder, 'session-key'), newSessionKey(), { mode: 0o600 })
    const [pool, check, serve] = commands
      .trim()
      .split('\n')
      .map((line) =>
        line
          .replace('npm run gateway -- ', '')
          .replace(/(?<=--config )/, `${folder}/`)
          .split(' '),
      )
      .map((args) => () => runCommand(t, args))
    if (pool === undefined || check === undefined || serve === undefined) throw new Error('README lacks a command')
    const running = pool()
    const secret = join(folder, '.demo', 'client-secret')
    await running.shows(`made       ${secret}`)
    t.equal(statSync(secret).mode & 0o777, 0o600)
    const checked = check()
    t.equal(await checked.ended, 0, checked.err())
    t.equal(checked.err(), '', 'without a warning')
    await serve().shows('"event":"listening"')
    const { Client } = await import('../helpers/client.ts')
    t.equal((await new Client(t).signIn('http://localhost:8080/')).status, 200)
    for (const name of Object.keys(PoolSettings.shape))
      t.match(part, `\`${name}\``, 'and every setting of the pool is told')
  },
)

t.test('the log on a terminal tells of a refusal the reference that its page shows', async (t) => {
  const request = { event: 'request', requestId: 'a-reference', method: 'GET', path: '/x', durationMs: 1 }
  const script = `import { createLog } from '${root}/dist/adapters/log.js'
    const log = createLog({ level: 'info', readable: true })
    for (const more of [{ status: 403, code: 'GW_FORBIDDEN' }, { status: 200 }])
      log.info({ ...${JSON.stringify(request)}, ...more }, 'request')`
  const run = runProgram(t, [process.execPath, '--input-type=module', '--eval', script])
  t.equal(await run.ended, 0, run.err())
  t.match(run.out(), 'GET /x → 403 1 ms reference a-reference')
  t.equal(run.out().match(/reference/g)?.length, 2, 'and of nothing else')
})

t.test('local-pool runs alone and says where', async (t) => {
  const run = runCommand(t, ['local-pool'])
  await run.shows('/.well-known/openid-configuration')
  const address = /discovery\s+(\S+)/.exec(run.out())?.[1] ?? ''
  t.equal((await fetch(address)).status, 200)
  run.child.kill('SIGINT')
  t.equal(await run.ended, 0)
})
