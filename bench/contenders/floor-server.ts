// The least that a proxy in Node can do: node:http in front, undici's dispatch behind, no features. Run as a program: PORT, UPSTREAM.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool, type Dispatcher } from 'undici'

const [port, upstream = ''] = process.argv.slice(2)
const pool = new Pool(upstream, { pipelining: 1 })
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'te', 'upgrade', 'proxy-connection'])

createServer((request, response) => {
  const options = {
    path: request.url ?? '/',
    method: request.method as Dispatcher.HttpMethod,
    headers: endToEnd(request.rawHeaders),
    body: hasBody(request) ? request : null,
  }
  pool.dispatch(options, passOn(response))
}).listen(Number(port), '127.0.0.1')

function passOn(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller) {
      response.on('drain', () => controller.resume())
      response.on('close', () => {
        if (!response.writableFinished) controller.abort(new Error('the client has gone'))
      })
    },
    onResponseStart(controller, status) {
      const headers = (controller.rawHeaders ?? []) as readonly Buffer[]
      response.writeHead(status, endToEnd(headers.map((bytes) => bytes.toString('latin1'))))
    },
    onResponseData(controller, chunk) {
      if (!response.write(chunk)) controller.pause()
    },
    onResponseEnd: () => void response.end(),
    onResponseError: () => void response.destroy(),
  }
}

function endToEnd(raw: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, raw[at + 1] ?? '')
  }
  return kept
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}
