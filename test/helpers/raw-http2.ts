import { connect } from 'node:tls'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export const [HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] = [1, 3, 4, 6, 7, 8, 9]
export const [END_STREAM, END_HEADERS] = [1, 4]

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Header fields as they are, which no library would write: literals without indexing or Huffman coding (RFC 7541 6.2.2). */
export function fields(pairs: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1')
    const length = bytes.length < 127 ? [bytes.length] : [127, ...rest(bytes.length - 127)]
    return Buffer.concat([Buffer.from(length), bytes])
  }
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

function rest(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...rest(value >> 7)]
}

/**
 * Sends bytes after the preface of HTTP/2 and reads frames until the server ends the connection, or `until` holds. A list of pieces is sent
 * one by one, so that the server can answer between them.
 */
export async function sendRawHttp2(
  port: number,
  bytes: Buffer | readonly Buffer[],
  until: (frames: readonly Frame[]) => boolean = () => false,
): Promise<{ readonly frames: readonly Frame[]; readonly closed: boolean }> {
  return new Promise((resolve) => {
    const frames: Frame[] = []
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    const limit = setTimeout(() => finish(false), 8_000)
    const finish = (closed: boolean): void => {
      clearTimeout(limit)
      socket.destroy()
      resolve({ frames, closed })
    }
    const sendNext = ([piece, ...rest]: readonly Buffer[]): void => {
      if (piece === undefined || socket.destroyed) return
      socket.write(piece)
      setTimeout(() => sendNext(rest), 1)
    }
    let buffer = Buffer.alloc(0)
    socket.on('secureConnect', () => {
      socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0)]))
      if (!Buffer.isBuffer(bytes)) sendNext(bytes)
    })
    socket.on('data', (data: Buffer) => {
      buffer = Buffer.concat([buffer, data])
      while (buffer.length >= 9 && buffer.length >= 9 + buffer.readUIntBE(0, 3)) {
        const length = buffer.readUIntBE(0, 3)
        frames.push({
          type: buffer.readUInt8(3),
          flags: buffer.readUInt8(4),
          stream: buffer.readUInt32BE(5),
          payload: buffer.subarray(9, 9 + length),
        })
        buffer = buffer.subarray(9 + length)
      }
      if (until(frames)) finish(false)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => finish(true))
  })
}
