import { createPoolFetch, type OnPoolRequest } from './pool-fetch.ts'

export interface JwksFetchOptions {
  readonly onRequest: OnPoolRequest
  readonly onFetch: (result: 'fetched' | 'failed') => void
}

const TIMEOUT_MS = 3_000

/** Gets a JWKS document, whole and in time, or throws. */
export function createJwksFetch({ onRequest, onFetch }: JwksFetchOptions): (uri: string) => Promise<ArrayBuffer> {
  const fetchFromPool = createPoolFetch(onRequest)
  return async (uri) => {
    try {
      const response = await fetchFromPool(uri, {
        body: undefined,
        headers: {},
        method: 'GET',
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      if (response.status !== 200) throw new TypeError(`status ${response.status}`)
      const keys = await response.arrayBuffer()
      onFetch('fetched')
      return keys
    } catch (error) {
      onFetch('failed')
      throw error
    }
  }
}
