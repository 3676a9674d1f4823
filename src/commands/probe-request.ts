import type { Lease, Upstream } from '../adapters/upstreams.ts'

export interface ProbeAnswer {
  readonly status: number
  /** Empty where there is none. */
  readonly location: string
  readonly body: string
}

export interface ProbeRequest {
  /** Without the prefix of the upstream's address. */
  readonly path: string
  /** `preserve`, `upstream` or a name, as in the settings; what is preserved is `publicHost`. */
  readonly host: string
  readonly publicHost: string
  readonly headers: Readonly<Record<string, string>>
}

const PATIENCE_MS = 10_000
/** Of a longer body the rest says nothing new. */
const MAX_BODY_BYTES = 1_048_576

/** One GET to an application, past the gateway. Rejects where no answer comes. */
export async function askUpstream(upstream: Upstream, request: ProbeRequest): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    upstream.visit({
      stickTo: null,
      pin: null,
      refuse: (reason) => reject(new Error(`no connection: ${reason}`)),
      enter: (lease) => send(lease, request, { resolve, reject }),
    })
  })
}

interface Settle {
  readonly resolve: (answer: ProbeAnswer) => void
  readonly reject: (error: unknown) => void
}

function send(lease: Lease, { path, host, publicHost, headers }: ProbeRequest, { resolve, reject }: Settle): void {
  const { address } = lease
  const [chunks, answer] = [[] as Buffer[], { status: 0, location: '' }]
  let bytes = 0
  const done = (): void => {
    lease.release('abandoned')
    resolve({ ...answer, body: Buffer.concat(chunks).toString('utf8') })
  }
  lease.dispatch(
    {
      method: 'GET',
      path: address.pathPrefix + path,
      headers: {
        host: host === 'preserve' ? publicHost : host === 'upstream' ? address.host : host,
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        'user-agent': 'cognito-gateway',
        ...headers,
      },
      headersTimeout: PATIENCE_MS,
      bodyTimeout: PATIENCE_MS,
    },
    {
      onRequestStart: () => undefined,
      onResponseStart(_controller, status, answered) {
        answer.status = status
        answer.location = [answered['location'] ?? ''].flat()[0] ?? ''
      },
      onResponseData(controller, chunk) {
        bytes += chunk.length
        chunks.push(chunk)
        if (bytes > MAX_BODY_BYTES) controller.abort(new Error('long enough'))
      },
      onResponseEnd: done,
      onResponseError(_controller, error) {
        if (bytes > MAX_BODY_BYTES) done()
        else {
          lease.release('failed')
          reject(error)
        }
      },
    },
  )
}
