import type { Dispatcher } from 'undici'
import type { Lease, Upstream, UpstreamRefusal, UpstreamTarget, Visitor } from '../../src/adapters/upstreams.ts'

/** A target with every default in place. */
export function upstreamTarget(more: Partial<UpstreamTarget> & Pick<UpstreamTarget, 'urls'>): UpstreamTarget {
  return {
    host: 'preserve',
    serverName: undefined,
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    insecureSkipVerify: false,
    connectSeconds: 5,
    responseSeconds: 60,
    connections: 256,
    queue: 1_024,
    stick: 'none',
    resolve: 'one',
    health: null,
    breaker: null,
    ...more,
  }
}

/** A lease that a test got hold of. */
export async function enter(upstream: Upstream, stickTo: string | null = null): Promise<Lease> {
  return new Promise((resolve, reject) => {
    upstream.visit({ stickTo, pin: null, enter: resolve, refuse: (reason) => reject(new Error(reason)) })
  })
}

export interface Waiting extends Visitor {
  readonly lease: Promise<Lease>
  readonly refusal: Promise<UpstreamRefusal>
}

/** A visitor of which a test can tell what became of it. */
export function visitor(stickTo: string | null = null): Waiting {
  let enter: Visitor['enter'] = () => undefined
  let refuse: Visitor['refuse'] = () => undefined
  const lease = new Promise<Lease>((resolve) => (enter = resolve))
  const refusal = new Promise<UpstreamRefusal>((resolve) => (refuse = resolve))
  return { stickTo, pin: null, enter, refuse, lease, refusal }
}

export interface Asked {
  readonly status: number
  readonly body: string
  /** As it was when the exchange began. */
  readonly reused: boolean
}

type AskOptions = Partial<Dispatcher.DispatchOptions> & { readonly stickTo?: string }

/** One whole exchange; rejects with undici's error, or with the word of the refusal. */
export async function ask(upstream: Upstream, { stickTo, ...options }: AskOptions = {}): Promise<Asked> {
  const lease = await enter(upstream, stickTo)
  return exchange(lease, options)
}

export async function exchange(lease: Lease, options: Partial<Dispatcher.DispatchOptions> = {}): Promise<Asked> {
  const { reused } = lease
  return new Promise((resolve, reject) => {
    let status = 0
    let body = ''
    lease.dispatch(
      { method: 'GET', path: `${lease.address.pathPrefix}/`, bodyTimeout: 0, ...options },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => {
          status = code
        },
        onResponseData: (_controller, chunk) => {
          body += chunk.toString('latin1')
        },
        onResponseEnd: () => {
          lease.release('answered')
          resolve({ status, body, reused })
        },
        onResponseError: (_controller, error) => {
          lease.release('failed')
          reject(error)
        },
      },
    )
  })
}
