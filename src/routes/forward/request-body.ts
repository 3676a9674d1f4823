import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError } from '../../domain/errors.ts'
import { CROWDED_IDLE_SECONDS } from './watch.ts'

/** How a request's body must arrive. */
export interface BodyRules {
  /** Counted, whatever the client says; null: no limit. */
  readonly maxBytes: number | null
  readonly idleSeconds: number
  readonly minBytesPerSecond: number
}

export interface RequestBodyOptions {
  readonly rules: BodyRules
  /** The application has begun to take it: the time to tell a client that waits for `100 Continue`. */
  readonly wanted: () => void
}

/**
 * The body of a request on its way to the application: counted, and no slower than its rules allow. When the application stops taking
 * it, what still comes is read and thrown away, so that the connection stays usable for the answer.
 */
export class RequestBody extends Readable {
  readonly #raw: IncomingMessage
  readonly #rules: BodyRules
  readonly #wanted: () => void
  #begun = false
  #bytes = 0
  #windowBytes = 0
  #windowSeconds = 0
  #silentSeconds = 0
  /** While the application takes nothing, the client's clocks stand still. */
  #held = false

  constructor(raw: IncomingMessage, { rules, wanted }: RequestBodyOptions) {
    super()
    this.#raw = raw
    this.#rules = rules
    this.#wanted = wanted
    // Whoever destroys it says why to the exchange; where none has begun, nobody else needs to know.
    this.on('error', () => undefined)
    raw.on('data', (chunk: Buffer) => this.#take(chunk))
    raw.once('end', () => this.push(null))
    raw.once('aborted', () => this.destroy(new Error('the client went away')))
    raw.pause()
  }

  /** The application takes nothing at the moment. */
  get held(): boolean {
    return this.#held
  }

  /** Whether everything that the client sends has come. */
  get complete(): boolean {
    return this.#raw.complete
  }

  override _read(): void {
    if (!this.#begun) this.#wanted()
    this.#begun = true
    this.#held = false
    this.#raw.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#held = false
    this.#raw.resume()
    done(error)
  }

  /** One second has gone by. `isCrowded`: others wait for the connection to the application. */
  tick(isCrowded: boolean): void {
    if (this.destroyed || !this.#begun || this.#held || this.complete) return
    this.#silentSeconds += 1
    this.#windowSeconds += 1
    const { idleSeconds, minBytesPerSecond } = this.#rules
    const patience = isCrowded ? Math.min(idleSeconds, CROWDED_IDLE_SECONDS) : idleSeconds
    if (this.#silentSeconds > patience) {
      this.destroy(new GatewayError('GW_REQUEST_TIMEOUT', { reason: 'client_body_idle' }))
      return
    }
    if (this.#windowSeconds < patience) return
    if (this.#windowBytes < minBytesPerSecond * this.#windowSeconds)
      this.destroy(new GatewayError('GW_REQUEST_TIMEOUT', { reason: 'client_body_slow' }))
    this.#windowBytes = 0
    this.#windowSeconds = 0
  }

  #take(chunk: Buffer): void {
    if (this.destroyed) return
    this.#bytes += chunk.length
    this.#windowBytes += chunk.length
    this.#silentSeconds = 0
    const { maxBytes } = this.#rules
    if (maxBytes !== null && this.#bytes > maxBytes) {
      this.destroy(new GatewayError('GW_BODY_TOO_LARGE', { reason: 'body_too_large' }))
      return
    }
    if (this.push(chunk)) return
    this.#held = true
    this.#raw.pause()
  }
}
