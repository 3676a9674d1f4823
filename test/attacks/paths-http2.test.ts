import t from 'tap'
import { ask, connectHttp2 } from '../helpers/http2.ts'
import { startWorld } from '../helpers/world.ts'
import { corpusFor, type Verdict } from './corpus.ts'

const world = await startWorld(t, { tls: true, listen: { http2: true } })
const { url, application, certificate } = world
const ca = certificate?.cert ?? ''
const browser = world.client()
await browser.signIn(`${url}/`, 'bob')
const { host } = new URL(url)
const session = `__Host-gateway=${browser.jarOf(host).get('__Host-gateway')}`

const statuses: Readonly<Record<Verdict, { readonly anonymous: number; readonly bob: number }>> = {
  refused: { anonymous: 400, bob: 400 },
  tooLong: { anonymous: 414, bob: 414 },
  public: { anonymous: 200, bob: 200 },
  signedIn: { anonymous: 401, bob: 200 },
  admin: { anonymous: 401, bob: 403 },
  own: { anonymous: 404, bob: 404 },
}

for (const { id, about, verdict, targets, onlyHttp1 } of corpusFor(host)) {
  if (onlyHttp1 === true) continue
  t.test(`${id}: over HTTP/2 too: ${about}`, async (t) => {
    const connection = await connectHttp2(t, url, ca)
    for (const target of targets) {
      for (const cookie of ['', session]) {
        const expected = statuses[verdict][cookie === '' ? 'anonymous' : 'bob']
        const before = application.seen.length
        // What HTTP/2 itself forbids in a path ends the stream instead: nobody sees such a request either.
        const { status } = await ask(connection, { ':path': target, ...(cookie === '' ? {} : { cookie }) }).catch(
          (error: Error) => ({ status: /PROTOCOL_ERROR/.test(error.message) ? 400 : 0 }),
        )
        t.equal(status, expected, `${JSON.stringify(target).slice(0, 60)} ${cookie === '' ? 'anonymous' : 'as bob'}`)
        const reached = application.seen.slice(before).map((request) => request.url)
        t.same(reached, expected === 200 ? [target] : [], 'what reached the application')
      }
    }
  })
}
