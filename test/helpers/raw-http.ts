import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly text: string
  readonly status: number
  readonly body: string
  header(name: string): string | undefined
  /** Whether the server ended the connection. */
  readonly closed: boolean
}

/** Sends bytes as they are, which no HTTP client would, and reads one answer. Resolves when it is whole or the connection ends. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
  options: { waitForClose?: boolean } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    const limit = setTimeout(() => finish(false), 10_000)
    const finish = (closed: boolean): void => {
      clearTimeout(limit)
      socket.destroy()
      resolve(parse(Buffer.concat(chunks).toString('latin1'), closed))
    }
    socket.on('connect', () => socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes))
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (options.waitForClose !== true && isWhole(Buffer.concat(chunks).toString('latin1'))) finish(false)
    })
    socket.on('close', () => finish(true))
    socket.on('error', (error) => {
      if (chunks.length === 0 && 'code' in error && error.code === 'ECONNREFUSED') reject(error)
    })
  })
}

/** Without the answers that only announce the answer. */
const final = (text: string): string => text.replace(/^(?:HTTP\/1\.1 1\d\d[^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '')

function isWhole(received: string): boolean {
  const text = final(received)
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return false
  const head = text.slice(0, end)
  const length = /^content-length: (\d+)/im.exec(head)?.[1]
  if (length !== undefined) return text.length >= end + 4 + Number(length)
  if (/^transfer-encoding: chunked/im.test(head)) return text.endsWith('0\r\n\r\n')
  return /^HTTP\/1\.1 (?:204|304)/.test(head)
}

function parse(received: string, closed: boolean): RawAnswer {
  const text = final(received)
  const end = text.indexOf('\r\n\r\n')
  const head = end === -1 ? text : text.slice(0, end)
  return {
    text,
    closed,
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
    body: end === -1 ? '' : text.slice(end + 4),
    header: (name) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim(),
  }
}

export interface RawConnection {
  /** Sends bytes as they are and reads one answer; opens another connection where the server has ended this one. */
  send(bytes: string): Promise<RawAnswer>
  /** Ends the connection. */
  end(): void
}

/** Many exchanges over few connections, one after the other. */
export function openRawConnection(t: { teardown(fn: () => unknown): unknown }, port: number): RawConnection {
  let socket: Socket | null = null
  t.teardown(() => socket?.destroy())
  return {
    async send(bytes) {
      const current = socket === null || socket.destroyed || !socket.writable ? connect(port, '127.0.0.1') : socket
      socket = current
      return new Promise((resolve, reject) => {
        let received = ''
        const finish = (closed: boolean): void => {
          current.removeAllListeners()
          // An answer that announces the end of the connection is its last one.
          if (closed || /^connection: close/im.test(received)) current.destroy()
          resolve(parse(received, closed))
        }
        current.on('data', (chunk) => {
          received += chunk.toString('latin1')
          if (isWhole(received)) finish(false)
        })
        current.on('close', () => finish(true))
        current.on('error', reject)
        current.write(Buffer.from(bytes, 'latin1'))
      })
    },
    end: () => socket?.destroy(),
  }
}
