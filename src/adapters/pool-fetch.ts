import type { CustomFetch } from 'openid-client'

export type PoolEndpoint = 'discovery' | 'jwks' | 'token' | 'revoke' | 'other'

/** Told of each answer, or that there was none, and of the time that it took. */
export type OnPoolRequest = (endpoint: PoolEndpoint, result: string, seconds: number) => void

/** How much of an answer is read, and whether a longer one is cut there or fails. */
export interface AnswerLimit {
  readonly bytes: number
  readonly beyond: 'fails' | 'is cut'
}

const MAX_ANSWER: AnswerLimit = { bytes: 262_144, beyond: 'fails' }

/** A fetch towards the user pool that follows no redirect, reads no more than a pool ever sends, and counts. */
export function createPoolFetch(onRequest: OnPoolRequest, limit: AnswerLimit = MAX_ANSWER): CustomFetch {
  return async (url, options) => {
    const startedAt = performance.now()
    const endpoint = endpointOf(url)
    let result = 'no_answer'
    try {
      const response = await fetch(url, { ...options, body: options.body ?? null, redirect: 'manual' })
      result = `${Math.floor(response.status / 100)}xx`
      if (response.status === 429) result = 'throttled'
      const answer = await bounded(response, limit)
      if (endpoint === 'token') await requireEachKeyOnce(answer.clone())
      return answer
    } finally {
      onRequest(endpoint, result, (performance.now() - startedAt) / 1000)
    }
  }
}

async function bounded(response: Response, { bytes, beyond }: AnswerLimit): Promise<Response> {
  if (response.body === null) return response
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body) {
    length += chunk.byteLength
    if (length > bytes && beyond === 'fails') throw new TypeError(`the answer is longer than ${bytes} bytes`)
    chunks.push(chunk)
    // Leaving the loop ends the transfer too.
    if (length > bytes) break
  }
  return new Response(length === 0 ? null : Buffer.concat(chunks).subarray(0, bytes), {
    status: response.status,
    headers: response.headers,
  })
}

/** Of two tokens under one name every program would take another one. */
async function requireEachKeyOnce(answer: Response): Promise<void> {
  const keys = [...(await answer.text()).matchAll(/"((?:[^"\\]|\\.)*)"\s*:/g)].map(([, key]) => key)
  if (new Set(keys).size < keys.length) throw new TypeError('the answer names something twice')
}

export function endpointOf(url: string): PoolEndpoint {
  if (url.endsWith('/.well-known/openid-configuration')) return 'discovery'
  if (url.endsWith('/.well-known/jwks.json')) return 'jwks'
  if (url.endsWith('/oauth2/token')) return 'token'
  return url.endsWith('/oauth2/revoke') ? 'revoke' : 'other'
}
