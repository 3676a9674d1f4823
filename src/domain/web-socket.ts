/** Close codes of RFC 6455 7.4 and of our own: 4401 as the status 401, for a session that is over. */
export const CLOSE_GOING_AWAY = 1001
export const CLOSE_SESSION_ENDED = 4401
export const CLOSE_ACCESS_LOST = 4403

/** A close frame as a server sends it: unmasked (RFC 6455 5.5.1). */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason, 'utf8')
  const frame = Buffer.alloc(4 + text.length)
  frame[0] = 0x88
  frame[1] = 2 + text.length
  frame.writeUInt16BE(code, 2)
  text.copy(frame, 4)
  return frame
}

export interface UpgradeRequest {
  readonly method?: string | undefined
  readonly httpVersion: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** Why a request may not become a WebSocket (RFC 6455 4.2.1), or null where it may. Names and values as Node parsed them. */
export function upgradeFault({ method, httpVersion, headers }: UpgradeRequest): string | null {
  if (method !== 'GET') return 'upgrade_method'
  if (httpVersion !== '1.1') return 'upgrade_version'
  if (headers['content-length'] !== undefined && headers['content-length'] !== '0') return 'upgrade_body'
  if (headers['transfer-encoding'] !== undefined) return 'upgrade_body'
  if (headers['sec-websocket-version'] !== '13') return 'upgrade_version'
  const key = headers['sec-websocket-key']
  return typeof key === 'string' && /^[A-Za-z0-9+/]{22}==$/.test(key) ? null : 'upgrade_key'
}

/** A second byte below this is the length of the payload itself, and the payload is not masked (RFC 6455 5.2). */
const SHORT_UNMASKED = 126

/** Follows the frames of one direction without looking into them: all it knows is whether a frame of ours may stand next. */
export class FrameBoundary {
  /** Bytes of the current frame's payload that are still to come. */
  #payload = 0
  /** The header of the current frame so far; frames may be cut anywhere. */
  #header: number[] = []

  get between(): boolean {
    return this.#payload === 0 && this.#header.length === 0
  }

  /** How many bytes of the chunk end with a whole frame; 0 where no frame ends in it. */
  follow(chunk: Buffer): number {
    let at = 0
    let whole = 0
    while (at < chunk.length) {
      if (this.#payload > 0) {
        const taken = Math.min(this.#payload, chunk.length - at)
        this.#payload -= taken
        at += taken
      } else if (this.#header.length === 0 && at + 1 < chunk.length && (chunk[at + 1] ?? 0) < SHORT_UNMASKED) {
        // Nearly every frame of a server: two bytes, and all is said.
        this.#payload = chunk[at + 1] ?? 0
        at += 2
      } else {
        this.#header.push(chunk[at] ?? 0)
        at += 1
        const length = payloadLength(this.#header)
        if (length !== null) {
          this.#payload = length
          this.#header = []
        }
      }
      if (this.between) whole = at
    }
    return whole
  }
}

/** The length that a frame's header states (RFC 6455 5.2), or null while the header is not whole. */
function payloadLength(header: readonly number[]): number | null {
  if (header.length < 2) return null
  const second = header[1] ?? 0
  const short = second & 0x7f
  const mask = (second & 0x80) === 0 ? 0 : 4
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  if (header.length < 2 + extended + mask) return null
  return extended === 0 ? short : header.slice(2, 2 + extended).reduce((length, byte) => length * 256 + byte, 0)
}
