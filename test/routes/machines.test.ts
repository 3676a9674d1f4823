import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../helpers/process.ts'
import { startWorld, type World } from '../helpers/world.ts'

const run = promisify(execFile)
const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`
const BATCH = basic('orders-batch:orders-batch-secret')
/** What a git server with one branch says first. */
const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text
const advertisement = `${line('# service=git-upload-pack\n')}0000${line(`${'1'.repeat(40)} refs/heads/main\0agent=none\n`)}0000`
const READS = [{ scopes: ['orders/read'] }]

async function machineToken({ client, pool }: World): Promise<string> {
  const answer = await client().ask(`${pool.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&client_id=orders-batch&client_secret=orders-batch-secret',
  })
  return answer.json().access_token
}

t.test('H31 an Authorization header decides alone, or proves nothing and is passed on, but never both', async (t) => {
  const modes = ['auto', 'gateway', 'application', 'drop'] as const
  const world = await startWorld(t, {
    settings: {
      applications: {
        sample: {
          upstream: '%UPSTREAM%',
          access: 'signedIn',
          routes: Object.fromEntries(
            modes.flatMap((authorization) => [
              [authorization, { path: `/${authorization}/*`, authorization }],
              [`${authorization}-reads`, { path: `/${authorization}/reads/*`, authorization, access: READS }],
              [`${authorization}-open`, { path: `/${authorization}/open/*`, authorization, access: 'public' }],
            ]),
          ),
        },
      },
    },
  })
  const { url, application } = world
  const browser = world.client()
  await browser.signIn(`${url}/`)
  const own = `Bearer ${await machineToken(world)}`
  const [header = '', , signature = ''] = own.split('.')
  const foreign = `${header}.${Buffer.from('{"iss":"https://other.example"}').toString('base64url')}.${signature}`
  const broken = `${own.slice(0, -8)}AAAAAAAA`
  const headers = { own, broken, foreign, opaque: 'Bearer opaque', basic: BATCH, other: 'Token x', empty: '' }

  /** What becomes of a request: the status, and with 200 who the application was told and which header it got. */
  const outcome = async (asker: typeof browser, path: string, authorization: string): Promise<string> => {
    const before = application.seen.length
    const answer = await asker.ask(url + path, { headers: { authorization } })
    if (answer.status !== 200) return `${answer.status}${application.seen.length > before ? ' reached!' : ''}`
    const told = application.last().headers
    const who = told['x-forwarded-email'] ?? told['x-forwarded-user'] ?? 'nobody'
    return `${String(who)}, ${told.authorization === authorization ? 'passed' : (told.authorization ?? 'taken')}`
  }
  const outcomes = async (asker: typeof browser, path: string) => {
    const found: Record<string, string> = {}
    for (const [name, value] of Object.entries(headers)) found[name] = await outcome(asker, path, value)
    return found
  }
  const each = (value: string, others: Record<string, string> = {}) => ({
    ...Object.fromEntries(Object.keys(headers).map((name) => [name, value])),
    ...others,
  })
  const alice = 'alice@example.com'
  const ours = { own: '403', broken: '401' }
  const empty = { empty: `${alice}, taken` }

  await t.test('beside a session', async (t) => {
    t.same(await outcomes(browser, '/auto/x'), each(`${alice}, passed`, ours))
    t.same(await outcomes(browser, '/gateway/x'), each('401', { own: '403', ...empty }))
    t.same(await outcomes(browser, '/application/x'), each(`${alice}, passed`))
    t.same(await outcomes(browser, '/drop/x'), each(`${alice}, taken`))
    for (const mode of ['auto', 'gateway'])
      t.equal(await outcome(browser, `/${mode}/reads/x`, own), 'orders-batch, taken', 'the session is not looked at')
    for (const mode of ['application', 'drop']) t.equal(await outcome(browser, `/${mode}/reads/x`, own), '403')
  })
  await t.test('without one', async (t) => {
    const stranger = world.client()
    t.same(await outcomes(stranger, '/auto/x'), each('401', { own: '403' }))
    t.same(await outcomes(stranger, '/gateway/x'), each('401', { own: '403' }))
    const refused = await stranger.ask(`${url}/gateway/x`, { headers: { authorization: headers.opaque } })
    t.equal(refused.json().code, 'GW_TOKEN_INVALID')
    t.equal(refused.header('www-authenticate'), 'Bearer error="invalid_token"')
    t.same(await outcomes(stranger, '/application/x'), each('401'))
    t.same(await outcomes(stranger, '/drop/x'), each('401'))
  })
  await t.test('on public routes nobody is asked', async (t) => {
    t.same(
      await outcomes(browser, '/auto/open/x'),
      each('nobody, passed', { own: 'nobody, taken', broken: 'nobody, taken' }),
    )
    t.same(await outcomes(browser, '/gateway/open/x'), each('nobody, taken'))
    t.same(await outcomes(browser, '/application/open/x'), each('nobody, passed'))
    t.same(await outcomes(browser, '/drop/open/x'), each('nobody, taken'))
  })
})

t.test('programs that know only Basic, and what programs are told', async (t) => {
  const world = await startWorld(t, {
    answer: (request, response) => {
      response.setHeader('content-type', 'application/x-git-upload-pack-advertisement')
      response.end(
        request.url?.includes('info/refs') === true ? advertisement : String(request.headers['x-forwarded-user']),
      )
    },
    settings: {
      applications: {
        sample: {
          upstream: '%UPSTREAM%',
          access: READS,
          clientBasic: true,
          challenge: ['bearer', 'basic'],
          routes: {
            public: { path: '/public/*', access: 'public' },
            people: { path: '/people/*', access: 'signedIn', onUnauthenticated: 401 },
            writes: { path: '/writes/*', access: [{ scopes: ['orders/write', 'orders/read'] }], showMissing: true },
            registry: { path: '/v2/*', challenge: ['basic'] },
            'orders-read': { path: '/api/orders/*', methods: ['GET'], access: READS },
          },
        },
      },
    },
  })
  const { url, pool, application } = world
  const ask = async (path: string, headers: Record<string, string> = {}) => world.client().ask(url + path, { headers })

  await t.test('id and secret of a listed client are as good as its token, and go no further', async (t) => {
    const answers = await Promise.all(Array.from({ length: 10 }, async () => ask('/x', { authorization: BATCH })))
    for (const answer of answers) t.equal(answer.text, 'orders-batch')
    t.equal(pool.calls['token'], 1)
    t.equal(application.last().headers.authorization, undefined)
    t.equal((await ask('/people/x', { authorization: BATCH })).status, 403, 'a machine is no person')
    await ask('/public/x', { authorization: BATCH })
    t.equal(application.last().headers.authorization, undefined, 'where nobody is asked either')
    await ask('/public/x', { authorization: basic('someone:else') })
    t.equal(application.last().headers.authorization, basic('someone:else'), "the application's own")
    t.match(await world.metrics(), /token_verifications_total\{kind="basic",result="valid"\} 11/)
  })

  await t.test('a wrong secret is refused without a word why, and stands in no log', async (t) => {
    const answer = await ask('/x', { authorization: basic('orders-batch:canary-secret'), accept: 'text/html' })
    t.equal(answer.status, 401)
    t.equal(answer.json().code, 'GW_TOKEN_INVALID')
    t.same(answer.headers['www-authenticate'], ['Bearer', 'Basic realm="sample", charset="UTF-8"'])
    t.match(world.log.at(-1), '"reason":"client_refused"')
    const log = world.log.join('')
    for (const secret of ['canary-secret', 'orders-batch-secret', BATCH.slice(6)]) t.notOk(log.includes(secret))
  })

  await t.test('programs are asked for a token or a password, and browsers never for a password', async (t) => {
    const challenge = async (path: string, headers: Record<string, string> = {}) =>
      (await ask(path, headers)).headers['www-authenticate']
    t.same(await challenge('/x'), ['Bearer', 'Basic realm="sample", charset="UTF-8"'])
    t.equal(await challenge('/v2/'), 'Basic realm="sample", charset="UTF-8"')
    for (const path of ['/x', '/v2/', '/people/x']) {
      t.equal(await challenge(path, { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' }), 'Bearer')
      t.equal(await challenge(path, { 'sec-fetch-dest': 'image' }), 'Bearer')
      t.equal(await challenge(path, { 'x-requested-with': 'XMLHttpRequest' }), 'Bearer')
    }
    t.equal(await challenge('/x', { 'sec-fetch-dest': 'document' }), undefined, 'a page is sent to sign in')
    t.same((await challenge('/people/x', { accept: 'text/html, image/gif, */*; q=.2' }))?.length, 2, 'as Java asks')
  })

  await t.test('T33 a token that lacks scopes is told so, and which only where the settings say', async (t) => {
    const authorization = `Bearer ${await machineToken(world)}`
    const lacking = await ask('/writes/x', { authorization })
    t.equal(lacking.status, 403)
    t.equal(lacking.header('www-authenticate'), 'Bearer error="insufficient_scope", scope="orders/write orders/read"')
    t.equal((await ask('/people/x', { authorization })).header('www-authenticate'), undefined)
    const refused = await ask('/v2/', { authorization: `${authorization.slice(0, -8)}AAAAAAAA` })
    t.same(refused.headers['www-authenticate'], [
      'Bearer error="invalid_token"',
      'Basic realm="sample", charset="UTF-8"',
    ])
  })

  await t.test('git gets in with id and secret', { skip: await lacks('git') }, async (t) => {
    const address = url.replace('//', '//orders-batch:orders-batch-secret@')
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' }
    const { stdout } = await run('git', ['ls-remote', `${address}/repository.git`], { env })
    t.match(stdout, /^1{40}\trefs\/heads\/main$/m)
    const wrong = address.replace('batch-secret', 'no-secret')
    await t.rejects(run('git', ['ls-remote', `${wrong}/repository.git`], { env }), /Authentication failed/)
  })

  await t.test('the commands that README shows for the command line work', { skip: await lacks('curl') }, async (t) => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8')
    const [, section = ''] = /### Programs and the command line\n([\s\S]*?)\n### /.exec(readme) ?? []
    const blocks = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)
    t.equal(blocks.length, 2)
    const folder = mkdtempSync(join(tmpdir(), 'readme-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    for (const block of blocks) {
      const script = block.replaceAll('http://127.0.0.1:9229', pool.url).replaceAll('http://localhost:8080', url)
      const { stdout, stderr } = await run('sh', ['-ec', script], { cwd: folder })
      t.match(stdout, /^HTTP\/1\.1 200 [\s\S]*orders-batch$/, stderr)
    }
  })
})

async function lacks(program: string): Promise<string | false> {
  return run(program, ['--version']).then(
    () => false,
    () => `${program} is not here`,
  )
}
