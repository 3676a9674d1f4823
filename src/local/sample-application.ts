import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { answerOrder, download, events, receiveForm, slow, upload } from './sample-endpoints.ts'
import {
  adminPage,
  echoPage,
  formPage,
  homePage,
  livePage,
  notFoundPage,
  pollPage,
  publicPage,
  uploadPage,
} from './sample-pages.ts'
import { sendJson, sendPage, sendText, type Exchange } from './sample-replies.ts'

const LARGEST_ECHO_BYTES = 1_048_576

/** A small application of the kind that sits behind a gateway: it knows nothing of sign-in but the usual headers. */
export interface SampleApplication {
  readonly url: string
  /** Ends every connection at once, streams and WebSockets included. */
  close(): Promise<void>
}

type Handler = (exchange: Exchange) => void | Promise<void>

const PAGES: Readonly<Record<string, Handler>> = {
  'GET /': ({ request, response }) => sendPage(response, homePage(request)),
  'GET /form': ({ response }) => sendPage(response, formPage()),
  'POST /form': receiveForm,
  'GET /poll': ({ response }) => sendPage(response, pollPage()),
  'GET /live': ({ response }) => sendPage(response, livePage()),
  'GET /echo': ({ response }) => sendPage(response, echoPage()),
  'GET /upload': ({ response }) => sendPage(response, uploadPage()),
  'POST /upload': upload,
  'GET /admin': ({ response }) => sendPage(response, adminPage()),
  'GET /admin/': ({ response }) => sendPage(response, adminPage()),
  'GET /public/': ({ response }) => sendPage(response, publicPage()),
  'GET /events': events,
  'GET /download': download,
  'GET /slow': slow,
  'GET /api/time': ({ response }) => sendJson(response, 200, { time: new Date().toISOString() }),
  'GET /status': ({ response, url }) => sendText(response, statusIn(url), `Status ${statusIn(url)}\n`),
  'GET /set-cookie': ({ response }) => {
    response.setHeader('set-cookie', ['sample-visit=1; Path=/', 'sample-theme=plain; Path=/; HttpOnly; SameSite=Lax'])
    sendText(response, 200, 'Two cookies have been set.\n')
  },
}

/** Starts the sample application. Rejects with the system's own error (EADDRINUSE) when it cannot listen. */
export async function startSampleApplication(
  options: { readonly host?: string; readonly port?: number } = {},
): Promise<SampleApplication> {
  const { host = '127.0.0.1', port = 0 } = options
  const server = createServer((request, response) => void answer(request, response))
  const sockets = addEcho(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const bound = isAddressInfo(address) ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate()
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}

const isAddressInfo = (address: AddressInfo | string | null): address is AddressInfo =>
  address !== null && typeof address === 'object'

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url?.startsWith('/') === true ? `http://sample${request.url}` : 'http://sample/')
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  try {
    const handler =
      PAGES[`${method} ${url.pathname}`] ?? (url.pathname.startsWith('/api/orders/') ? answerOrder : missing)
    await handler({ request, response, url })
  } catch (error) {
    if (response.headersSent || request.destroyed) return void response.destroy()
    sendText(response, 400, `${error instanceof Error ? error.message : String(error)}\n`)
  }
}

const missing: Handler = ({ response, url }) => sendPage(response, notFoundPage(url.pathname), 404)

function statusIn(url: URL): number {
  const code = Number(url.searchParams.get('code') ?? '200')
  return Number.isInteger(code) && code >= 200 && code <= 599 ? code : 400
}

/** `/ws` sends back whatever it receives. */
function addEcho(server: Server): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_ECHO_BYTES })
  sockets.on('connection', (socket) => {
    socket.on('error', () => socket.terminate())
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (request.url?.split('?')[0] !== '/ws') {
      return void socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    }
    sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit('connection', accepted, request))
  })
  return sockets
}
