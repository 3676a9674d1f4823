import type { Socket } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import type { Connect } from './connect.ts'

const KEEP_ALIVE_MS = 4_000
/** However long the application says that it keeps connections. */
const MAX_KEEP_ALIVE_MS = 60_000
/** Older connections are not used again, so that changes of names and certificates are followed. */
const MAX_AGE_MS = 300_000

/** The head of an answer; a longer one is no valid answer. Beyond what any client accepts, and four times undici's default. */
const MAX_HEAD_BYTES = 65_536

export interface ConnectionOptions {
  readonly origin: string
  readonly connect: Connect
  readonly now: () => number
  /** Set for https only. undici would otherwise take the name for TLS from each request's Host header, and reconnect when that changes. */
  readonly serverName: string | null
}

/** One connection to an application, one exchange at a time; opened at the first and, where it was closed, again at the next. */
export class Connection {
  readonly #client: Client
  readonly #serverName: string | null
  /** Null while there is no socket. */
  #openedAt: number | null = null
  #used = false
  #fault: Error | null = null
  #connecting: Socket | null = null

  constructor({ origin, connect, now, serverName }: ConnectionOptions) {
    this.#serverName = serverName
    this.#client = new Client(origin, {
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEAD_BYTES,
      connect: (options, callback) => {
        this.#connecting = connect(options, (...[error, socket]) => {
          this.#connecting = null
          this.#fault = null
          // Before undici's own listener, which takes a reset for the end of an answer that has no other.
          socket?.once('error', (fault) => (this.#fault = fault))
          if (error === null) callback(null, socket)
          else callback(error, null)
        })
      },
    })
    this.#client.on('connect', () => {
      this.#openedAt = now()
    })
    this.#client.on('disconnect', () => {
      this.#openedAt = null
      this.#used = false
    })
  }

  get isOpen(): boolean {
    return this.#openedAt !== null
  }

  /** Whether the present socket carried an exchange before. */
  get used(): boolean {
    return this.#used
  }

  /** What ended the latest socket, where it did not end in order. */
  get fault(): Error | null {
    return this.#fault
  }

  isOld(now: number): boolean {
    return this.#openedAt !== null && now - this.#openedAt >= MAX_AGE_MS
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    if (this.#serverName === null) {
      this.#client.dispatch(options, handler)
      return
    }
    const named: Dispatcher.DispatchOptions & { servername: string } = { ...options, servername: this.#serverName }
    this.#client.dispatch(named, handler)
  }

  /** The socket went through an exchange. After an upgrade, or where either side closed it, there is none any more. */
  markUsed(): void {
    this.#used = this.#openedAt !== null
  }

  /** Ends when what is under way is complete. */
  async close(): Promise<void> {
    if (!this.#client.closed && !this.#client.destroyed) await this.#client.close()
  }

  async destroy(): Promise<void> {
    // undici would let it come about, and end it then.
    this.#connecting?.destroy(new Error('nobody waits for this connection any more'))
    await this.#client.destroy()
  }
}
