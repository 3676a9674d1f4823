import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { postedPage } from './sample-pages.ts'
import { sendJson, sendPage, sendText, type Exchange } from './sample-replies.ts'

const LARGEST_TEXT_BYTES = 1_048_576
const LARGEST_DOWNLOAD_BYTES = 10_737_418_240
const LONGEST_WAIT_MS = 600_000

/** Shows the fields of a form that was sent. */
export async function receiveForm({ request, response }: Exchange): Promise<void> {
  const fields = new URLSearchParams(await readText(request))
  sendPage(response, postedPage([...fields]))
}

/** One server-sent event at once and then one every second, until the client leaves. */
export function events({ request, response }: Exchange): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let id = 0
  const send = (): void => {
    id += 1
    response.write(`id: ${id}\nevent: tick\ndata: ${JSON.stringify({ id, time: new Date().toISOString() })}\n\n`)
  }
  send()
  const timer = setInterval(send, 1000)
  response.once('close', () => clearInterval(timer))
  request.resume()
}

/** Reads a body of any size without keeping it, and answers with its size and SHA-256. */
export async function upload({ request, response }: Exchange): Promise<void> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.byteLength
    hash.update(chunk)
  }
  sendJson(response, 200, { bytes, sha256: hash.digest('hex'), contentType: request.headers['content-type'] ?? null })
}

/** Streams as many bytes as asked for. */
export async function download({ request, response, url }: Exchange): Promise<void> {
  const bytes = numberIn(url, { name: 'bytes', otherwise: 1024, most: LARGEST_DOWNLOAD_BYTES })
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': bytes,
    'content-disposition': 'attachment; filename="sample.bin"',
  })
  if (request.method === 'HEAD') return void response.end()
  await pipeline(Readable.from(chunksOf(bytes)), response)
}

/** Answers after a while. */
export async function slow({ request, response, url }: Exchange): Promise<void> {
  const ms = numberIn(url, { name: 'ms', otherwise: 1000, most: LONGEST_WAIT_MS })
  const left = new AbortController()
  response.once('close', () => left.abort())
  request.resume()
  await wait(ms, undefined, { signal: left.signal }).catch(() => undefined)
  if (!left.signal.aborted) sendText(response, 200, `Waited ${ms} ms.\n`)
}

/** An order as JSON; whatever else is done to it is accepted and told back. */
export async function answerOrder({ request, response, url }: Exchange): Promise<void> {
  const id = url.pathname.slice('/api/orders/'.length)
  if (id === '' || id.includes('/')) return sendJson(response, 404, { message: 'There is no such order.' })
  const method = request.method ?? 'GET'
  if (method === 'GET' || method === 'HEAD') return sendJson(response, 200, { id, item: 'Coffee beans', quantity: 3 })
  if (!['POST', 'PUT', 'DELETE'].includes(method))
    return sendJson(response, 405, { message: `${method} is not possible.` })
  sendJson(response, method === 'POST' ? 201 : 200, { id, method, received: await readText(request) })
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.byteLength
    if (bytes > LARGEST_TEXT_BYTES) throw new Error('The text is too long.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

interface NumberRule {
  readonly name: string
  readonly otherwise: number
  readonly most: number
}

function numberIn(url: URL, { name, otherwise, most }: NumberRule): number {
  const number = Number(url.searchParams.get(name) ?? otherwise)
  if (Number.isInteger(number) && number >= 0 && number <= most) return number
  throw new Error(`${name} must be a whole number from 0 to ${most}.`)
}

function* chunksOf(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(65_536, 'Orders & Notes\n')
  for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, Math.min(left, chunk.length))
}
