import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { handshake } from '../helpers/web-socket.ts'
import { startWorld, type WorldOptions } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const request = (method: string, path: string): string => `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

/** A world whose application keeps what is asked under `/public/slow` until the test lets it go. */
async function slowWorld(t: Teardown, options: WorldOptions = {}) {
  const held: ServerResponse[] = []
  const world = await startWorld(t, {
    ...options,
    answer: ({ url }, response) => {
      if (url?.startsWith('/public/slow') === true) held.push(response)
      else response.end(`answer to ${url}`)
    },
  })
  return { ...world, held }
}

const offer =
  'GET /public/offer HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n\r\n'

for (const tls of [false, true]) {
  t.test(
    `F26 an upgrade behind a request that is not answered yet ends its connection, never the gateway${tls ? ', over TLS too' : ''}`,
    async (t) => {
      const { url, port, application, held, client } = await slowWorld(t, { tls })
      for (const upgrade of [handshake('/public/ws', 'localhost'), offer]) {
        for (const ahead of ['/public/slow', '/public/quick']) {
          const socket = tls
            ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
            : connect(port, '127.0.0.1')
          socket.on('error', () => undefined)
          socket.resume()
          const closed = once(socket, 'close')
          socket.write(request('GET', ahead) + upgrade)
          await closed
          t.equal((await client().ask(`${url}/public/next`)).text, 'answer to /public/next', 'the gateway lives on')
        }
      }
      for (const response of held) response.end()
      t.notOk(application.seen.some(({ url }) => url === '/public/ws' || url === '/public/offer'))
    },
  )
}
