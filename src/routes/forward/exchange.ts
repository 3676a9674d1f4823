import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Lease, Pin, UpstreamRefusal, Visitor } from '../../adapters/upstreams.ts'
import { answerHeaders, FORGET_PAGES, type AnswerHeaders } from '../../domain/answer-headers.ts'
import { corsHeaders } from '../../domain/cors.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { ApplicationAnswer } from './application-sign-out.ts'
import { breakOff, stopRequest, writeHead } from './answer-head.ts'
import type { Errand, Sender } from './errand.ts'
import { CROWDED_IDLE_SECONDS, type Watched } from './watch.ts'

/** A longer answer, or one of unknown length, is passed on as it comes. */
const HELD_BYTES = 65_536
/** RFC 9110 15: beyond it clients would each make something else of an answer. */
const MAX_STATUS = 599
const SAFE_TO_REPEAT = new Set(['GET', 'HEAD', 'OPTIONS'])
const MAY_BE_STALE = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** One exchange with an application: its answer goes to the client as it comes, raw headers in, raw headers out. */
export class Exchange implements Visitor, Watched, Dispatcher.DispatchHandler {
  watchedAt = -1
  readonly #errand: Errand
  readonly #sender: Sender
  readonly #response: ServerResponse
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
  /** The application has answered, and its client has not read all of it. */
  #unread = false
  /** When something last moved, by the watch. */
  #movedAt: number

  constructor(errand: Errand, sender: Sender) {
    this.#errand = errand
    this.#sender = sender
    this.#response = errand.reply.raw
    this.#beganAt = sender.watch.second
    this.#movedAt = sender.watch.second
  }

  get stickTo(): string | null {
    return this.#errand.session?.id ?? null
  }

  get pin(): Pin | null {
    return this.#errand.pin
  }

  begin(): void {
    const { request, passage } = this.#errand
    request.underway = this
    request.outcome.upstreamAskedAt = performance.now()
    this.#sender.watch.add(this)
    passage.upstream.visit(this)
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
    const code = reason === 'circuit_open' ? 'GW_UPSTREAM_UNREACHABLE' : 'GW_OVERLOADED'
    this.#sender.fail(this.#errand, new GatewayError(code, { reason, headers }))
  }

  #send(lease: Lease): void {
    this.#movedAt = this.#sender.watch.second
    try {
      lease.dispatch(this.#sender.messageOf(this.#errand, lease), this)
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
    this.#errand.request.outcome.upstreamAnsweredAt = performance.now()
    this.#movedAt = this.#sender.watch.second
    this.#resume = resume
    if (!this.#errand.signsOut) return this.#begin(status, textOf(rawHeaders))
    this.#signOut({ status, rawHeaders: textOf(rawHeaders) }).catch((error: unknown) => this.#fail(error))
    return false
  }

  /** Meanwhile the answer waits: whoever gets it is signed out. */
  async #signOut({ status, rawHeaders }: ApplicationAnswer): Promise<void> {
    const outcome = await this.#sender.signOut(this.#errand, { status, rawHeaders })
    if (this.#over) return
    if (outcome === 'led-on') {
      this.#end('answered', new Error('the client was led on to sign out'))
      return
    }
    this.#begin(status, rawHeaders, outcome === 'signed-out' ? FORGET_PAGES : [])
    this.#resume?.()
  }

  #fail(error: unknown): void {
    if (this.#over) return
    const failure = this.#sender.failureOf(error)
    this.#end('abandoned', failure)
    this.#sender.fail(this.#errand, failure)
  }

  #begin(status: number, rawHeaders: readonly string[], more: readonly string[] = []): boolean {
    const { request, route, passage, permit, body, bound } = this.#errand
    bound?.follow(rawHeaders)
    const answer = answerHeaders(rawHeaders, passage.rules, {
      identified: permit.identity !== null,
      // An answer before the end of the request: what still comes is read by nobody. Over HTTP/2 only the stream ends by that.
      closing: this.#sender.draining() || (body?.complete === false && request.raw.overHttp2 === undefined),
      cookies: request.cookiesToSet,
      cookiesAreOptional: request.setCookiesAreOptional,
      ownConnection: this.pin !== null,
    })
    answer.headers.push(...more)
    if (route.cors.preflight === 'answer') answer.headers.push(...corsHeaders(request.raw.headers.origin, route).flat())
    this.#status = status
    this.#answer = answer
    const bodyless = request.method === 'HEAD' || status === 204 || status === 304
    this.#holding = bodyless || (answer.contentLength >= 0 && answer.contentLength <= HELD_BYTES)
    if (!this.#holding) this.#writeHead(answer)
    if (answer.eventStream && !bodyless) this.#sender.streaming(this.#errand, () => this.#cut())
    return true
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return true
    this.#movedAt = this.#sender.watch.second
    if (this.#holding) {
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
      return true
    }
    if (this.#response.write(chunk)) return true
    this.#paused = true
    this.#response.once('drain', () => {
      this.#paused = false
      this.#movedAt = this.#sender.watch.second
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
    if (this.#errand.body?.complete === false) stopRequest(this.#response)
    if (this.#response.writableLength > 0) this.#awaitReader()
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
    const failure = this.#sender.failureOf(error)
    // The client's faults and our own say nothing about the application.
    this.#end(failure.code.startsWith('GW_UPSTREAM') ? 'failed' : 'abandoned')
    this.#sender.fail(this.#errand, failure)
  }

  onUpgrade(_status: number, rawHeaders: Buffer[] | string[] | null, socket: Duplex): void {
    if (this.#over || !this.#errand.upgrade) {
      this.#lease?.release('abandoned')
      socket.destroy()
      return
    }
    this.#errand.request.outcome.upstreamAnsweredAt = performance.now()
    this.#end('answered')
    this.#sender.upgraded(this.#errand, textOf(rawHeaders ?? []), socket)
  }

  tick(second: number): void {
    const { body, passage } = this.#errand
    const { totalSeconds, responseSeconds, idleSeconds } = passage.limits
    if (!this.#over) body?.tick(passage.isCrowded(true))
    const still = second - this.#movedAt
    if (this.#unread && this.#readsTooSlowly(still)) this.#giveUpReader()
    if (this.#over) return
    // Where a client may have been the slow one, the application is not blamed: anybody could open its circuit.
    if (totalSeconds !== null && second - this.#beganAt > totalSeconds) this.#timeOut('total', 'abandoned')
    else if (this.#paused) {
      if (this.#readsTooSlowly(still)) this.#timeOut('client_not_reading', 'abandoned')
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
    this.#sender.fail(this.#errand, error)
    if (lease === null) this.#errand.passage.upstream.leave(this)
  }

  /** Stale is a connection that was used before and ends before the first byte of an answer: then the application may never have seen the request. */
  #mayBeStale(error: Error & { code?: string }, lease: Lease): boolean {
    return (
      lease.reused &&
      !this.#repeated &&
      this.#answer === null &&
      this.#errand.body === null &&
      !this.#errand.upgrade &&
      SAFE_TO_REPEAT.has(this.#errand.request.method) &&
      MAY_BE_STALE.has(error.code ?? '')
    )
  }

  #readsTooSlowly(seconds: number): boolean {
    const { limits, isCrowded } = this.#errand.passage
    return seconds > limits.idleSeconds || (seconds > CROWDED_IDLE_SECONDS && isCrowded(!this.#over))
  }

  /** The connection to the application is free, the client's is not: nothing else ends a connection whose client never reads. */
  #awaitReader(): void {
    this.#unread = true
    this.#movedAt = this.#sender.watch.second
    this.#errand.request.underway = this
    this.#sender.watch.add(this)
  }

  #giveUpReader(): void {
    this.leave()
    this.#sender.fail(this.#errand, new GatewayError('GW_UPSTREAM_TIMEOUT', { reason: 'upstream_client_not_reading' }))
  }

  /** The client went away. */
  leave(): void {
    if (this.#unread) {
      this.#unread = false
      this.#errand.request.underway = null
      this.#sender.watch.delete(this)
    }
    if (this.#over) return
    this.#errand.passage.upstream.leave(this)
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
    this.#sender.watch.delete(this)
    // Whatever lives longer must not hold on to what is over.
    this.#errand.request.underway = null
    const abort = this.#abort
    this.#abort = null
    this.#resume = null
    if (cause !== undefined) abort?.(cause)
    this.#lease?.release(outcome)
  }

  /** From here on the answer is the application's; until here the error handler could still have spoken. */
  #writeHead(answer: AnswerHeaders): void {
    writeHead(this.#response, this.#status, answer.headers)
    this.#errand.reply.hijack()
  }
}

const textOf = (raw: readonly (Buffer | string)[]): string[] =>
  raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
