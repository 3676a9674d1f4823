import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'

export interface Http2Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** One connection over HTTP/2 to an address whose certificate is this one. */
export async function connectHttp2(t: Teardown, url: string, ca: string): Promise<ClientHttp2Session> {
  const session = connect(url, { ca })
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  await new Promise((resolve) => session.once('remoteSettings', resolve))
  return session
}

/** One request; rejects where its stream is reset. */
export async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined })
    const chunks: Buffer[] = []
    let answered: Http2Answer['headers'] = {}
    stream.on('response', (received) => {
      answered = received
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () =>
      resolve({ status: Number(answered[':status']), headers: answered, text: Buffer.concat(chunks).toString() }),
    )
    if (body !== undefined) stream.end(body)
  })
}
