import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface RecordedRequest {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface RecordingApplication {
  readonly url: string
  readonly port: number
  /** Every request that reached it, oldest first. */
  readonly seen: RecordedRequest[]
  last(): RecordedRequest
}

export type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

/** An application that writes down what reaches it and answers with it as JSON, or as told. */
export async function startRecordingApplication(t: Teardown, answer?: Answer): Promise<RecordingApplication> {
  const seen: RecordedRequest[] = []
  const server = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      seen.push({
        method: request.method ?? '',
        url: request.url ?? '',
        rawHeaders: request.rawHeaders,
        headers: request.headers,
        body,
      })
      if (answer !== undefined) {
        answer(request, response, body)
        return
      }
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: body.toString('latin1'),
        }),
      )
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    last() {
      const request = seen.at(-1)
      if (request === undefined) throw new Error('nothing reached the application')
      return request
    },
  }
}
