import type { CustomFetch } from 'openid-client'

/** What a user pool answered, or why there was no answer. */
export type Reply = Answer | { readonly kind: 'nothing'; readonly reason: string }

export interface Answer {
  readonly kind: 'answer'
  readonly status: number
  /** Where it leads; null where it leads nowhere. */
  readonly location: URL | null
  /** The time of day of whoever answered, in epoch milliseconds; null without a sound one. */
  readonly date: number | null
  /** Its beginning; never printed. */
  readonly body: string
}

/** Asks once. Never rejects; follows no redirect. */
export type Ask = (url: string, form?: Readonly<Record<string, string>>) => Promise<Reply>

const SECONDS_PER_QUESTION = 5

/** Asks a user pool by a fetch that bounds what it reads and follows nothing. */
export function createAsk(fetch: CustomFetch, seconds = SECONDS_PER_QUESTION): Ask {
  return async (url, form) => {
    try {
      const response = await fetch(url, {
        method: form === undefined ? 'GET' : 'POST',
        headers: form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' },
        body: form === undefined ? undefined : new URLSearchParams(form).toString(),
        redirect: 'manual',
        signal: AbortSignal.timeout(seconds * 1000),
      })
      return {
        kind: 'answer',
        status: response.status,
        location: locationOf(response, url),
        date: dateOf(response),
        body: await response.text(),
      }
    } catch (error) {
      return { kind: 'nothing', reason: reasonOf(error, seconds) }
    }
  }
}

/** The code of an OAuth refusal, and nothing else of the answer. */
export function errorIn(reply: Answer): string | undefined {
  return /"error"\s*:\s*"([a-z_]{1,40})"/.exec(reply.body)?.[1]
}

/** Whether the pool could not answer now: it says nothing of what was asked. */
export function isBusy({ status }: Answer): boolean {
  return status === 429 || status >= 500
}

function locationOf(response: Response, url: string): URL | null {
  const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null
  return location !== null && URL.canParse(location, url) ? new URL(location, url) : null
}

/** A cache on the way keeps the date of the answer and says how old it is. */
function dateOf({ headers }: Response): number | null {
  const at = Date.parse(headers.get('date') ?? '') + Number(headers.get('age') ?? 0) * 1000
  return Number.isNaN(at) ? null : at
}

/** Codes only: messages may quote what was sent. */
function reasonOf(error: unknown, seconds: number): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `none within ${seconds} seconds`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'none that could be read'
}
