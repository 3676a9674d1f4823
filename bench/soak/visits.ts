import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Pool } from 'undici'
import { WebSocket } from 'ws'
import { EVENTS, LARGE_BYTES } from './application.ts'
import type { People, Person } from './people.ts'
import type { Outcome, Tally } from './tally.ts'

/** What visits need. */
export interface Grounds {
  readonly url: string
  readonly pool: Pool
  readonly people: People
  readonly tally: Tally
  /** An access token of the machine client that is valid now. */
  readonly token: () => string
}

/** One kind of visit: how often it happens, and how it may end. */
export interface Kind {
  readonly name: string
  /** Part of the whole rate; without it `perSecond` holds. */
  readonly share?: number
  readonly perSecond?: number
  readonly expected: readonly Outcome[]
  readonly visit: (grounds: Grounds) => Promise<Outcome>
}

const LEFT = 'left'
const BROKEN_OFF = 'broken off'
const COOKIE = /^(__Host-gateway=[^;]+)/
let serial = 0

/** All kinds of visits: what is quick as shares of the rate, what takes its time or harms so many in a second. */
export const kinds: readonly Kind[] = [
  { name: 'pages by session', share: 0.6, expected: ['200'], visit: withPerson(askPage) },
  { name: 'calls by bearer token', share: 0.2, expected: ['200'], visit: askOrder },
  { name: 'public pages', share: 0.1, expected: ['200'], visit: askPublic },
  { name: 'bodies posted', share: 0.06, expected: ['200'], visit: withPerson(postBody) },
  {
    name: 'without a session',
    share: 0.02,
    expected: ['401'],
    visit: async (grounds) => askStatus(grounds, '/page', {}),
  },
  { name: 'without the right', share: 0.02, expected: ['403'], visit: withPerson(askForbidden) },
  { name: 'uploads given up', perSecond: 2, expected: [LEFT], visit: withPerson(abandonUpload) },
  { name: 'downloads given up', perSecond: 2, expected: [LEFT], visit: withPerson(download(abandon)) },
  { name: 'large downloads', perSecond: 1, expected: ['200'], visit: withPerson(download(readAll)) },
  { name: 'slow readers', perSecond: 1, expected: ['200'], visit: withPerson(download(readSlowly)) },
  { name: 'readers that do not read', perSecond: 1, expected: [LEFT], visit: withPerson(download(readNothing)) },
  { name: 'event streams', perSecond: 2, expected: ['200', LEFT], visit: withPerson(followEvents) },
  { name: 'WebSockets', perSecond: 2, expected: ['closed', LEFT], visit: withPerson(talk) },
  ...(
    [
      ['error', '500'],
      ['reset', '502'],
      ['garbage', '502'],
      ['short', BROKEN_OFF],
      ['late', '504'],
    ] as const
  ).map(([how, outcome]) => ({
    name: `application: ${how}`,
    perSecond: 1,
    expected: [outcome],
    visit: withPerson(async (grounds, person) => askStatus(grounds, `/fail/${how}`, { cookie: person.cookie })),
  })),
]

type PersonalVisit = (grounds: Grounds, person: Person) => Promise<Outcome>

/** Somebody who is here stays for as long as the visit takes. */
function withPerson(visit: PersonalVisit): Kind['visit'] {
  return async (grounds) => {
    const person = grounds.people.any()
    if (person === undefined) return 'nobody is here'
    person.visits += 1
    try {
      return await visit(grounds, person)
    } finally {
      person.visits -= 1
    }
  }
}

interface Ask {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: Buffer
  /** Told the whole answer; undefined where it is as it should be. */
  readonly wrong?: (answer: {
    readonly user?: string
    readonly bytes?: number
    readonly path?: string
  }) => string | undefined
  readonly person?: Person
}

async function ask({ pool, tally }: Grounds, { method = 'GET', wrong, person, body, ...asked }: Ask): Promise<Outcome> {
  const startedAt = performance.now()
  try {
    const answer = await pool.request({ ...asked, method, ...(body === undefined ? {} : { body }) })
    const text = await answer.body.text()
    for (const line of [answer.headers['set-cookie'] ?? []].flat())
      if (person !== undefined) person.cookie = COOKIE.exec(line)?.[1] ?? person.cookie
    if (answer.statusCode === 200 && body === undefined) tally.took(performance.now() - startedAt)
    const complaint = answer.statusCode === 200 ? wrong?.(JSON.parse(text)) : undefined
    return complaint ?? String(answer.statusCode)
  } catch (error) {
    return nameOf(error)
  }
}

/** An answer that breaks off is an error of the client's; which one depends on where it broke. */
function nameOf(error: unknown): Outcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'].includes(code) ? BROKEN_OFF : code
}

async function askPage(grounds: Grounds, person: Person): Promise<Outcome> {
  const path = `/page/${(serial += 1)}`
  return ask(grounds, {
    path,
    headers: { cookie: person.cookie, host: new URL(grounds.url).host },
    person,
    wrong: (answer) =>
      answer.user === person.email && answer.path === path
        ? undefined
        : `the answer of ${answer.user} at ${answer.path}`,
  })
}

async function askOrder(grounds: Grounds): Promise<Outcome> {
  return ask(grounds, {
    path: `/api/orders/${(serial += 1)}`,
    headers: { authorization: `Bearer ${grounds.token()}` },
    wrong: ({ user }) => (user === undefined || user.includes('@') ? `the answer of ${user}` : undefined),
  })
}

async function askPublic(grounds: Grounds): Promise<Outcome> {
  return ask(grounds, {
    path: `/public/${(serial += 1)}`,
    headers: {},
    wrong: ({ user }) => (user === undefined ? undefined : `the answer of ${user}`),
  })
}

async function postBody(grounds: Grounds, person: Person): Promise<Outcome> {
  const body = Buffer.alloc(1_024 + ((serial += 1) % 64) * 1_024)
  return ask(grounds, {
    method: 'POST',
    path: '/upload',
    headers: { cookie: person.cookie, origin: grounds.url },
    body,
    person,
    wrong: ({ bytes }) => (bytes === body.length ? undefined : `${bytes} bytes of ${body.length}`),
  })
}

async function askForbidden(grounds: Grounds, person: Person): Promise<Outcome> {
  return ask(grounds, { path: '/admin/x', headers: { cookie: person.cookie }, person })
}

async function askStatus({ pool }: Grounds, path: string, headers: Record<string, string>): Promise<Outcome> {
  try {
    const answer = await pool.request({ path, method: 'GET', headers })
    // To its very end: whether it is whole shows there.
    await answer.body.arrayBuffer()
    return String(answer.statusCode)
  } catch (error) {
    return nameOf(error)
  }
}

async function abandonUpload({ url }: Grounds, person: Person): Promise<Outcome> {
  return new Promise((resolve) => {
    const headers = { cookie: person.cookie, origin: url, 'content-length': 1_000_000 }
    const upload = httpRequest(`${url}/upload`, { method: 'POST', agent: false, headers }, (answer) => {
      resolve(`answered ${answer.statusCode} before its end`)
      answer.destroy()
    })
    upload.on('error', (error) => resolve(error.message))
    upload.write(Buffer.alloc(100_000), () => {
      setTimeout(() => {
        resolve(LEFT)
        upload.destroy()
      }, 100)
    })
  })
}

type Reading = (answer: IncomingMessage, done: (outcome: Outcome) => void) => void

/** The large file, read in this way. */
function download(read: Reading): PersonalVisit {
  return async ({ url }, person) =>
    new Promise((resolve) => {
      const done = (outcome: Outcome): void => {
        resolve(outcome)
        asked.destroy()
      }
      const asked = httpRequest(`${url}/large`, { agent: false, headers: { cookie: person.cookie } }, (answer) => {
        answer.on('error', (error) => done(nameOf(error)))
        if (answer.statusCode === 200) read(answer, done)
        else done(String(answer.statusCode))
      })
      asked.on('error', (error) => resolve(nameOf(error)))
      asked.end()
    })
}

function countBytes(answer: IncomingMessage, done: (outcome: Outcome) => void): void {
  let bytes = 0
  answer.on('data', (chunk: Buffer) => (bytes += chunk.length))
  answer.on('end', () => done(bytes === LARGE_BYTES ? '200' : `${bytes} bytes of ${LARGE_BYTES}`))
}

function readAll(answer: IncomingMessage, done: (outcome: Outcome) => void): void {
  countBytes(answer, done)
}

function readSlowly(answer: IncomingMessage, done: (outcome: Outcome) => void): void {
  countBytes(answer, done)
  answer.on('data', () => {
    answer.pause()
    setTimeout(() => answer.resume(), 20)
  })
}

function readNothing(answer: IncomingMessage, done: (outcome: Outcome) => void): void {
  answer.pause()
  setTimeout(() => done(LEFT), 3_000)
}

function abandon(answer: IncomingMessage, done: (outcome: Outcome) => void): void {
  let bytes = 0
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > 100_000) done(LEFT)
  })
}

async function followEvents({ url }: Grounds, person: Person): Promise<Outcome> {
  const leavesAfter = (serial += 1) % 2 === 0 ? 3 : Number.POSITIVE_INFINITY
  return new Promise((resolve) => {
    const asked = httpRequest(`${url}/events`, { agent: false, headers: { cookie: person.cookie } }, (answer) => {
      let text = ''
      answer.on('error', (error) => resolve(nameOf(error)))
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (text.split('\n\n').length <= leavesAfter) return
        resolve(LEFT)
        asked.destroy()
      })
      answer.on('end', () =>
        resolve(text.endsWith(`data: ${EVENTS}\n\n`) ? String(answer.statusCode) : 'ended too early'),
      )
    })
    asked.on('error', (error) => resolve(nameOf(error)))
    asked.end()
  })
}

const SAYINGS = 5

/** Says something, hears it again, and so on; every third client goes without a word. */
async function talk({ url }: Grounds, person: Person): Promise<Outcome> {
  const rude = (serial += 1) % 3 === 0
  return new Promise((resolve) => {
    const headers = { cookie: person.cookie, origin: url }
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`, { headers })
    let said = 0
    const say = (): void => {
      said += 1
      socket.send(`${person.name} ${said}`)
    }
    socket.on('open', say)
    socket.on('message', (data: Buffer) => {
      if (data.toString() !== `${person.name} ${said}`) resolve(`heard ${data.toString()}`)
      if (said < SAYINGS) setTimeout(say, 100)
      else if (rude) socket.terminate()
      else socket.close(1000)
    })
    socket.on('error', (error) => resolve(error.message))
    socket.on('close', (code) => resolve(code === 1000 ? 'closed' : rude && said === SAYINGS ? LEFT : `closed ${code}`))
  })
}
