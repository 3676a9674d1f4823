import type { Duplex } from 'node:stream'
import type { StreamEnd } from '../../adapters/open-streams.ts'
import {
  CLOSE_ACCESS_LOST,
  CLOSE_GOING_AWAY,
  CLOSE_SESSION_ENDED,
  closeFrame,
  FrameBoundary,
} from '../../domain/web-socket.ts'
import type { Watch, Watched } from './watch.ts'

export interface TunnelOptions {
  readonly client: Duplex
  readonly application: Duplex
  readonly watch: Watch
  /** Null: as silent as it likes. */
  readonly idleSeconds: number | null
  /** Called once, when both sides are gone. */
  readonly closed: (closing: TunnelClosing) => void
}

export interface TunnelClosing {
  readonly reason: StreamEnd | 'closed'
  readonly bytesIn: number
  readonly bytesOut: number
}

/** How long a client may take to answer our close frame, in seconds. */
const CLOSING_SECONDS = 2

const CLOSINGS: Readonly<Record<StreamEnd, readonly [number, string]>> = {
  session_ended: [CLOSE_SESSION_ENDED, 'session ended'],
  access_lost: [CLOSE_ACCESS_LOST, 'access lost'],
  draining: [CLOSE_GOING_AWAY, 'going away'],
  idle: [CLOSE_GOING_AWAY, 'idle'],
}

/** Bytes both ways, with the pressure of each side passed on to the other. Frames are followed, never read. */
export class Tunnel implements Watched {
  watchedAt = -1
  readonly #options: TunnelOptions
  readonly #boundary = new FrameBoundary()
  #bytesIn = 0
  #bytesOut = 0
  #reason: StreamEnd | 'closed' = 'closed'
  #movedAt: number
  #movedBytes = 0
  /** When we said goodbye, by the watch. */
  #endingAt: number | null = null
  #over = false

  constructor(options: TunnelOptions) {
    this.#options = options
    this.#movedAt = options.watch.second
  }

  open(): void {
    const { client, application, watch } = this.#options
    watch.add(this)
    for (const side of [client, application]) {
      side.on('error', () => this.#close())
      side.on('close', () => this.#close())
    }
    client.on('data', (chunk: Buffer) => {
      // After a goodbye the client's own comes, and nobody waits for it any more.
      if (application.writableEnded) return
      this.#bytesIn += chunk.length
      if (!application.write(chunk)) pauseUntilDrained(client, application)
    })
    client.on('end', () => application.end())
    application.on('data', (chunk: Buffer) => this.#toClient(chunk))
    application.on('end', () => client.end())
  }

  /** Says goodbye with a close frame as soon as one may stand next, and closes when the client has answered or time is over. */
  end(why: StreamEnd): void {
    if (this.#endingAt !== null || this.#over) return
    this.#reason = why
    this.#endingAt = this.#options.watch.second
    if (this.#boundary.between) this.#sayGoodbye()
  }

  tick(second: number): void {
    const { idleSeconds } = this.#options
    if (this.#endingAt !== null) {
      if (second - this.#endingAt > CLOSING_SECONDS) this.#close()
      return
    }
    const bytes = this.#bytesIn + this.#bytesOut
    if (bytes !== this.#movedBytes) {
      this.#movedBytes = bytes
      this.#movedAt = second
    } else if (idleSeconds !== null && second - this.#movedAt >= idleSeconds) this.end('idle')
  }

  #toClient(chunk: Buffer): void {
    const { client, application } = this.#options
    if (client.writableEnded) return
    const whole = this.#boundary.follow(chunk)
    const ending = this.#endingAt !== null && whole > 0
    const passed = ending ? chunk.subarray(0, whole) : chunk
    this.#bytesOut += passed.length
    if (!client.write(passed)) pauseUntilDrained(application, client)
    if (ending) this.#sayGoodbye()
  }

  #sayGoodbye(): void {
    if (this.#reason === 'closed') return
    const [code, text] = CLOSINGS[this.#reason]
    this.#options.client.end(closeFrame(code, text))
    this.#options.application.end()
  }

  #close(): void {
    if (this.#over) return
    this.#over = true
    const { client, application, watch, closed } = this.#options
    watch.delete(this)
    client.destroy()
    application.destroy()
    closed({ reason: this.#reason, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut })
  }
}

function pauseUntilDrained(from: Duplex, to: Duplex): void {
  from.pause()
  to.once('drain', () => from.resume())
}
