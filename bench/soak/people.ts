import { Client } from '../../test/helpers/client.ts'
import { pause } from '../programs.ts'
import { emailOf, PASSWORD } from './site.ts'
import type { Tally } from './tally.ts'

const COOKIE = '__Host-gateway'
/** How long a session is used before its person leaves, from the shortest to the longest. */
const STAY_MS = [60_000, 100_000] as const
const LOOK_MS = 200

/** Somebody who comes, looks around, leaves, and comes again. */
export interface Person {
  readonly name: string
  readonly email: string
  /** The Cookie header of the live session. */
  cookie: string
  /** Visits that are under way with this session. */
  visits: number
  state: 'away' | 'here' | 'leaving'
  leavesAt: number
}

export interface PeopleOptions {
  readonly url: string
  readonly names: readonly string[]
  readonly tally: Tally
  /** How many sign in or out at the same time. */
  readonly doors: number
}

/** Everybody of the soak, with as many sessions as are alive. */
export class People {
  readonly #options: PeopleOptions
  readonly #people: readonly Person[]
  readonly #present: Person[] = []
  #next = 0
  #pages = 0
  #open = true

  constructor(options: PeopleOptions) {
    this.#options = options
    this.#people = options.names.map((name) => ({
      name,
      email: emailOf(name),
      cookie: '',
      visits: 0,
      state: 'away',
      leavesAt: 0,
    }))
  }

  /** One of those who are here, in turn; undefined while nobody is. */
  any(): Person | undefined {
    this.#next += 1
    return this.#present[this.#next % this.#present.length]
  }

  get present(): number {
    return this.#present.length
  }

  /** Lets people in and out until the end is told. */
  async comeAndGo(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.doors }, async () => this.#keepDoor()))
  }

  end(): void {
    this.#open = false
  }

  async #keepDoor(): Promise<void> {
    while (this.#open) {
      const arriving = this.#people.find(({ state }) => state === 'away')
      const now = Date.now()
      const leaving = arriving === undefined ? this.#present.find(({ leavesAt }) => leavesAt <= now) : undefined
      if (arriving !== undefined) await this.#enter(arriving)
      else if (leaving === undefined) await pause(LOOK_MS)
      else await this.#leave(leaving)
    }
  }

  async #enter(person: Person): Promise<void> {
    person.state = 'leaving'
    const { url, tally } = this.#options
    this.#pages += 1
    const outcome = await withClient(async (client) => {
      const reply = await client.signIn(`${url}/signed-in/${this.#pages}`, person.name, PASSWORD)
      const cookie = client.jarOf(new URL(url).host).get(COOKIE)
      if (reply.status !== 200 || cookie === undefined) return `${reply.status} at ${new URL(reply.url).pathname}`
      person.cookie = `${COOKIE}=${cookie}`
      return reply.json().user === person.email ? 'signed in' : 'as somebody else'
    })
    tally.count('sign-in', outcome, ['signed in'])
    if (outcome !== 'signed in') {
      await pause(1_000)
      person.state = 'away'
      return
    }
    const [least, most] = STAY_MS
    person.leavesAt = Date.now() + least + Math.random() * (most - least)
    person.state = 'here'
    this.#present.push(person)
  }

  /** Every other one signs out; the rest close their browser. */
  async #leave(person: Person): Promise<void> {
    person.state = 'leaving'
    this.#present.splice(this.#present.indexOf(person), 1)
    while (person.visits > 0) await pause(20)
    const { url, tally } = this.#options
    this.#pages += 1
    if (this.#pages % 2 === 0) {
      const outcome = await withClient(async (client) => {
        client.jarOf(new URL(url).host).set(COOKIE, person.cookie.slice(COOKIE.length + 1))
        const reply = await client.submit(await client.visit(`${url}/oauth2/sign_out`), {})
        if (!reply.url.startsWith(`${url}/oauth2/signed_out`)) return `${reply.status} at ${reply.url}`
        const after = await client.ask(`${url}/after`, { headers: { cookie: person.cookie } })
        return after.status === 401 ? 'signed out' : `${after.status} with a cookie from before`
      })
      tally.count('sign-out', outcome, ['signed out'])
    }
    person.state = 'away'
  }
}

/** With a browser of its own, which is closed afterwards. */
async function withClient(use: (client: Client) => Promise<string>): Promise<string> {
  const closings: (() => unknown)[] = []
  try {
    return await use(new Client({ teardown: (fn: () => unknown) => closings.push(fn) }))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    for (const close of closings) await close()
  }
}
