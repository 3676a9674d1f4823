import { Client } from 'undici'
import type { Endpoint } from './endpoint.ts'

const FAILURES_IN_A_ROW = 2
/** Gateways that were started together do not ask together. */
const JITTER = 0.2

export interface HealthRules {
  readonly path: string
  readonly everySeconds: number
  readonly timeoutSeconds: number
}

export interface HealthCheckOptions extends HealthRules {
  /** The Host header; null: the endpoint's own. */
  readonly host: string | null
  /** 0 to 1. */
  readonly random: () => number
  readonly onChange: (healthy: boolean) => void
}

/** Asks an endpoint again and again whether it is well, each time on a connection of its own. Returns how to stop. */
export function checkHealth(endpoint: Endpoint, options: HealthCheckOptions): () => void {
  const { everySeconds, random, onChange } = options
  let stopped = false
  let failures = 0
  let timer: NodeJS.Timeout | undefined
  let end: (() => void) | undefined

  function ask(): void {
    end = askOnce(endpoint, options, (well) => {
      if (stopped) return
      failures = well ? 0 : failures + 1
      const healthy = well || (endpoint.healthy && failures < FAILURES_IN_A_ROW)
      const changed = healthy !== endpoint.healthy
      endpoint.healthy = healthy
      if (changed) onChange(healthy)
      timer = setTimeout(ask, everySeconds * 1000 * (1 - JITTER / 2 + JITTER * random())).unref()
    })
  }

  ask()
  return () => {
    stopped = true
    clearTimeout(timer)
    end?.()
  }
}

/** Calls `done` once: true for a 2xx in time. Returns how to end it at once. */
function askOnce(endpoint: Endpoint, options: HealthCheckOptions, done: (well: boolean) => void): () => void {
  const { address, connect } = endpoint
  const client = new Client(address.origin, { connect })
  let over = false
  const finish = (well: boolean): void => {
    if (over) return
    over = true
    clearTimeout(patience)
    done(well)
    void client.destroy()
  }
  const patience = setTimeout(() => finish(false), options.timeoutSeconds * 1000).unref()
  client.dispatch(
    {
      method: 'GET',
      path: address.pathPrefix + options.path,
      headers: { host: options.host ?? address.host, 'user-agent': 'cognito-gateway' },
      reset: true,
    },
    {
      onRequestStart: () => undefined,
      onResponseStart: (_controller, status) => {
        if (status >= 200) finish(status < 300)
      },
      onResponseData: () => undefined,
      onResponseEnd: () => undefined,
      onResponseError: () => finish(false),
    },
  )
  return () => finish(false)
}
