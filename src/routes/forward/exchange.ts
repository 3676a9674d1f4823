import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import type { Lease, Pin, Upstream, UpstreamRefusal, Visitor } from '../../adapters/upstreams.ts'
import { answerHeaders, type AnswerHeaders, type AnswerRules } from '../../domain/answer-headers.ts'
import { GatewayError } from '../../domain/errors.ts'
import { breakOff, stopRequest, writeHead } from './answer-head.ts'
import type { RequestBody } from './request-body.ts'
import type { Watch, Watched } from './watch.ts'

/** A longer answer, or one of unknown length, is passed on as it comes. */
const HELD_BYTES = 65_536
/** RFC 9110 15: beyond it clients would each make something else of an answer. */
const MAX_STATUS = 599
const SAFE_TO_REPEAT = new Set(['GET', 'HEAD', 'OPTIONS'])
const MAY_BE_STALE = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** All that an exchange needs to know, whoever makes it. */
export interface ExchangeOptions {
  readonly upstream: Upstream
  readonly watch: Watch
  readonly rules: AnswerRules
  readonly limits: ExchangeLimits
  readonly identified: boolean
  /** While true, answers ask the client to come back on another connection. */
  readonly draining: () => boolean
  readonly stickTo: string | null
  readonly pin: Pin | null
  readonly body: RequestBody | null
  /** Method, path and headers, once the address of the application is known. */
  readonly message: (lease: Lease) => Dispatcher.DispatchOptions
  /** What an error of this exchange means. */
  readonly failureOf: (error: unknown) => GatewayError
  readonly fail: (failure: GatewayError) => void
  /** An answer that goes on for as long as it likes has begun. */
  readonly streaming: (end: () => void) => void
  /** The application has said yes to an upgrade; null where none was asked for. */
  readonly upgraded: ((rawHeaders: readonly string[], socket: Duplex) => void) | null
}

export interface ExchangeLimits {
  readonly responseSeconds: number
  readonly idleSeconds: number
  /** Null: an exchange takes as long as it takes. */
  readonly totalSeconds: number | null
}

/** One exchange with an application: its answer goes to the client as it comes, raw headers in, raw headers out. */
export class Exchange implements Visitor, Watched, Dispatcher.DispatchHandler {
  readonly stickTo: string | null
  readonly pin: Pin | null
  watchedAt = -1
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #response: ServerResponse
  readonly #options: ExchangeOptions
  readonly #beganAt: number
  #lease: Lease | null = null
  #abort: ((error?: Error) => void) | null = null
  #resume: (() => void) | null = null
  #status = 0
  #answer: AnswerHeaders | null = null
  /** A short answer of known length is held until it is whole: one write, and a clean error if it never gets whole. */
  #held: Buffer | null = null
  #holding = false
  /** The client takes nothing at the moment. */
  #paused = false
  #repeated = false
  #over = false
  /** When something last moved, by the watch. */
  #movedAt: number

  constructor(request: FastifyRequest, reply: FastifyReply, options: ExchangeOptions) {
    this.#request = request
    this.#reply = reply
    this.#response = reply.raw
    this.#options = options
    this.stickTo = options.stickTo
    this.pin = options.pin
    this.#beganAt = options.watch.second
    this.#movedAt = options.watch.second
  }

  begin(): void {
    this.#request.underway = this
    this.#request.outcome.upstreamAskedAt = performance.now()
    this.#options.watch.add(this)
    this.#options.upstream.visit(this)
  }

  enter(lease: Lease): void {
    this.#lease = lease
    if (this.#over) lease.release('abandoned')
    else this.#send(lease)
  }

  refuse(reason: UpstreamRefusal): void {
    if (this.#over) return
    const headers = { 'retry-after': '5' }
    this.#end('abandoned')
    this.#options.fail(
      reason === 'circuit_open'
        ? new GatewayError('GW_UPSTREAM_UNREACHABLE', { reason, headers })
        : new GatewayError('GW_OVERLOADED', { reason, headers }),
    )
  }

  #send(lease: Lease): void {
    this.#movedAt = this.#options.watch.second
    try {
      lease.dispatch(this.#options.message(lease), this)
    } catch (error) {
      // Whoever lets in is in the middle of another exchange, and must not see what is wrong with this one.
      this.onError(error instanceof Error ? error : new Error('the request cannot be sent'))
    }
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort
    if (this.#over) abort()
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    if (status < 200 || this.#over) return true
    if (status > MAX_STATUS) throw new RangeError('no status of HTTP')
    this.#request.outcome.upstreamAnsweredAt = performance.now()
    const { rules, identified, draining, body } = this.#options
    const answer = answerHeaders(textOf(rawHeaders), rules, {
      identified,
      // An answer before the end of the request: what still comes is read by nobody. Over HTTP/2 only the stream ends by that.
      closing: draining() || (body?.complete === false && this.#request.raw.overHttp2 === undefined),
      cookies: this.#request.setCookies,
      cookiesAreOptional: this.#request.setCookiesAreOptional,
      ownConnection: this.pin !== null,
    })
    this.#movedAt = this.#options.watch.second
    this.#resume = resume
    this.#status = status
    this.#answer = answer
    const bodyless = this.#request.method === 'HEAD' || status === 204 || status === 304
    this.#holding = bodyless || (answer.contentLength >= 0 && answer.contentLength <= HELD_BYTES)
    if (!this.#holding) this.#writeHead(answer)
    if (answer.eventStream && !bodyless) this.#options.streaming(() => this.#cut())
    return true
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return true
    this.#movedAt = this.#options.watch.second
    if (this.#holding) {
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
      return true
    }
    if (this.#response.write(chunk)) return true
    this.#paused = true
    this.#response.once('drain', () => {
      this.#paused = false
      this.#movedAt = this.#options.watch.second
      this.#resume?.()
    })
    return false
  }

  onComplete(): void {
    if (this.#over) return
    const fault = this.#lease?.fault ?? null
    if (fault !== null) {
      this.onError(fault)
      return
    }
    // May throw for a header that Node will not write; then this exchange has failed and is not over.
    if (this.#holding && this.#answer !== null) this.#writeHead(this.#answer)
    this.#end('answered')
    if (this.#held === null) this.#response.end()
    else this.#response.end(this.#held)
    if (this.#options.body?.complete === false) stopRequest(this.#response)
  }

  onError(error: Error): void {
    // Ended by us: whoever did knows better than undici what that means for the application.
    if (this.#over) return
    if (this.#lease !== null && this.#mayBeStale(error, this.#lease)) {
      this.#repeated = true
      this.#abort = null
      this.#lease.renew()
      this.#send(this.#lease)
      return
    }
    const failure = this.#options.failureOf(error)
    // The client's faults and our own say nothing about the application.
    this.#end(failure.code.startsWith('GW_UPSTREAM') ? 'failed' : 'abandoned')
    this.#options.fail(failure)
  }

  onUpgrade(_status: number, rawHeaders: Buffer[] | string[] | null, socket: Duplex): void {
    const { upgraded } = this.#options
    if (this.#over || upgraded === null) {
      this.#lease?.release('abandoned')
      socket.destroy()
      return
    }
    this.#request.outcome.upstreamAnsweredAt = performance.now()
    this.#end('answered')
    upgraded(textOf(rawHeaders ?? []), socket)
  }

  tick(second: number): void {
    const { totalSeconds, responseSeconds, idleSeconds } = this.#options.limits
    const { body } = this.#options
    body?.tick()
    if (this.#over) return
    const still = second - this.#movedAt
    // Where a client may have been the slow one, the application is not blamed: anybody could open its circuit.
    if (totalSeconds !== null && second - this.#beganAt > totalSeconds) this.#timeOut('total', 'abandoned')
    else if (this.#paused) {
      if (still > idleSeconds) this.#timeOut('client_not_reading', 'abandoned')
    } else if (this.#answer !== null) {
      if (still > idleSeconds && !this.#answer.eventStream) this.#timeOut('idle')
    } else if (body !== null && !body.complete && !body.held) {
      this.#movedAt = second
    } else if (still > (body !== null && !body.complete ? idleSeconds : responseSeconds)) this.#timeOut('no_answer')
  }

  #timeOut(reason: string, outcome: 'failed' | 'abandoned' = 'failed'): void {
    const error = new GatewayError('GW_UPSTREAM_TIMEOUT', { reason: `upstream_${reason}` })
    const lease = this.#lease
    this.#end(outcome, error)
    this.#options.fail(error)
    if (lease === null) this.#options.upstream.leave(this)
  }

  /** Stale is a connection that was used before and ends before the first byte of an answer: then the application may never have seen the request. */
  #mayBeStale(error: Error & { code?: string }, lease: Lease): boolean {
    return (
      lease.reused &&
      !this.#repeated &&
      this.#answer === null &&
      this.#options.body === null &&
      this.#options.upgraded === null &&
      SAFE_TO_REPEAT.has(this.#request.method) &&
      MAY_BE_STALE.has(error.code ?? '')
    )
  }

  /** The client went away. */
  leave(): void {
    if (this.#over) return
    this.#options.upstream.leave(this)
    this.#end('abandoned', new Error('the client went away'))
  }

  /** The session behind an endless answer has ended: the client may come back and is then asked who it is. */
  #cut(): void {
    if (this.#over) return
    this.#end('abandoned', new Error('the session has ended'))
    breakOff(this.#response)
  }

  #end(outcome: 'answered' | 'failed' | 'abandoned', cause?: Error): void {
    this.#over = true
    this.#options.watch.delete(this)
    // Whatever lives longer must not hold on to what is over.
    this.#request.underway = null
    const abort = this.#abort
    this.#abort = null
    this.#resume = null
    if (cause !== undefined) abort?.(cause)
    this.#lease?.release(outcome)
  }

  /** From here on the answer is the application's; until here the error handler could still have spoken. */
  #writeHead(answer: AnswerHeaders): void {
    writeHead(this.#response, this.#status, answer.headers)
    this.#reply.hijack()
  }
}

const textOf = (raw: readonly (Buffer | string)[]): string[] =>
  raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
