import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { answerHeaders, type AnswerRules } from '../../domain/answer-headers.ts'

const HELD_BYTES = 65_536

export interface ExchangeOptions {
  readonly fail: (error: unknown) => void
  readonly idleMs: number
  readonly rules: Pick<AnswerRules, 'identified' | 'optional' | 'closing'>
}

/** One exchange with an application: its answer goes to the client as it comes, raw headers in, raw headers out. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #response: ServerResponse
  readonly #options: ExchangeOptions
  #controller: Dispatcher.DispatchController | null = null
  #status = 0
  #head: string[] = []
  /** A short answer of known length is held until it is whole: one write, and a clean error if it never gets whole. */
  #held: Buffer | null = null
  #heldLength = -1
  #idle: NodeJS.Timeout | null = null
  /** Event streams may be quiet for as long as they like. */
  #timed = false
  #over = false

  constructor(request: FastifyRequest, reply: FastifyReply, options: ExchangeOptions) {
    this.#request = request
    this.#reply = reply
    this.#response = reply.raw
    this.#options = options
    this.#response.once('close', () => {
      if (this.#over) return
      this.#over = true
      this.#stopClock()
      this.#controller?.abort(new Error('the client went away'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('the client went away'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return
    this.#request.outcome.upstreamAnsweredAt = performance.now()
    const raw = rawPairs(controller.rawHeaders)
    const answer = answerHeaders(raw, {
      ...this.#options.rules,
      cookies: this.#request.setCookies,
      cookiesAreOptional: this.#request.setCookiesAreOptional,
    })
    this.#status = status
    this.#head = answer.headers
    const bodyless = this.#request.method === 'HEAD' || status === 204 || status === 304
    if (bodyless || (answer.contentLength >= 0 && answer.contentLength <= HELD_BYTES)) {
      this.#heldLength = bodyless ? 0 : answer.contentLength
      return
    }
    this.#begin()
    this.#timed = !answer.eventStream
    this.#startClock()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    if (this.#heldLength >= 0) {
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
      return
    }
    this.#idle?.refresh()
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#stopClock()
    this.#response.once('drain', () => {
      controller.resume()
      this.#startClock()
    })
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#stopClock()
    // May throw for a header that Node will not write; then this exchange has failed and is not over.
    if (this.#heldLength >= 0) this.#begin()
    this.#over = true
    this.#response.end(this.#held ?? undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#stopClock()
    if (this.#over) return
    this.#over = true
    this.#options.fail(error)
  }

  /** From here on the answer is the application's; until here the error handler could still have spoken. */
  #begin(): void {
    this.#response.writeHead(this.#status, this.#head)
    this.#reply.hijack()
  }

  #startClock(): void {
    const { idleMs } = this.#options
    if (this.#over || !this.#timed || this.#idle !== null) return
    this.#idle = setTimeout(
      () => this.#controller?.abort(Object.assign(new Error('idle'), { code: 'UND_ERR_BODY_TIMEOUT' })),
      idleMs,
    )
  }

  #stopClock(): void {
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = null
  }
}

function rawPairs(raw: Dispatcher.DispatchController['rawHeaders']): readonly string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}
