import { collectDefaultMetrics, Registry, type Metric } from 'prom-client'
import { LOGIN_STAGES } from '../domain/login-record.ts'
import { Distribution, MetricFamily, Tally } from './metric-family.ts'

const PREFIX = 'cognito_gateway_'
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** Every metric of the gateway's own: kind, help, labels. README lists them; a test keeps the two the same. */
export const metricTable = {
  requests_total: {
    kind: 'counter',
    help: 'Requests answered, by route, method and status.',
    labels: ['route', 'method', 'status'],
  },
  request_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the first header to the end of the answer.',
    labels: ['route'],
  },
  overhead_seconds: {
    kind: 'histogram',
    help: "The gateway's own part of the time until the answer began.",
    labels: ['route'],
  },
  requests_in_flight: {
    kind: 'gauge',
    help: 'Requests that are being answered.',
    labels: [],
    aggregate: 'sum',
  },
  request_header_bytes: {
    kind: 'histogram',
    help: 'Size of the headers of requests: names and values as they came.',
    labels: [],
    buckets: [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536],
  },
  websockets_open: { kind: 'gauge', help: 'WebSockets that are open.', labels: [], aggregate: 'sum' },
  decisions_total: {
    kind: 'counter',
    help: 'Decisions of the rules, by route, result and reason.',
    labels: ['route', 'result', 'reason'],
  },
  would_deny_total: {
    kind: 'counter',
    help: 'Requests let through that the rule of a route with reportOnly refuses, by route and reason.',
    labels: ['route', 'reason'],
  },
  requests_refused_total: {
    kind: 'counter',
    help: 'Requests refused before any rule was asked, by reason.',
    labels: ['reason'],
  },
  connections_refused_total: {
    kind: 'counter',
    help: 'Connections ended for what no request could be made of, by reason.',
    labels: ['reason'],
  },
  forwarded_headers_ignored_total: {
    kind: 'counter',
    help: 'X-Forwarded headers of trusted proxies that were malformed, doubled or not for a host served here.',
    labels: ['header'],
  },
  login_stages_total: { kind: 'counter', help: 'Stages of sign-ins that were reached.', labels: ['stage'] },
  logins_total: {
    kind: 'counter',
    help: 'Sign-ins that ended, by pool, result and reason.',
    labels: ['pool', 'result', 'reason'],
  },
  login_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the start of a sign-in to its session, the person included.',
    labels: [],
  },
  sessions_ended_total: { kind: 'counter', help: 'Sessions that ended, by reason.', labels: ['reason'] },
  handovers_total: {
    kind: 'counter',
    help: 'Sessions handed over from the host where people sign in to another: given there, taken or refused on the other.',
    labels: ['result'],
  },
  sign_outs_total: { kind: 'counter', help: 'Sign-outs by the person.', labels: [] },
  token_refreshes_total: {
    kind: 'counter',
    help: 'Refreshes at the user pool, by result and reason.',
    labels: ['result', 'reason'],
  },
  token_verifications_total: {
    kind: 'counter',
    help: 'Tokens of programs, and names with secrets in their place (basic), by kind and result.',
    labels: ['kind', 'result'],
  },
  jwks_fetches_total: { kind: 'counter', help: "Fetches of the user pool's keys, by result.", labels: ['result'] },
  jwks_age_seconds: {
    kind: 'gauge',
    help: "Seconds since the user pool's keys were fetched.",
    labels: [],
    aggregate: 'max',
  },
  pool_request_duration_seconds: {
    kind: 'histogram',
    help: 'Time of requests to the user pool.',
    labels: ['endpoint', 'result'],
  },
  pool_throttled_total: { kind: 'counter', help: 'Answers 429 of the user pool.', labels: ['endpoint'] },
  session_store_errors_total: {
    kind: 'counter',
    help: 'Operations of the session store that failed or got no answer in time.',
    labels: ['operation'],
  },
  session_store_duration_seconds: {
    kind: 'histogram',
    help: 'Time of operations of the session store.',
    labels: ['operation'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5],
  },
  session_cookie_bytes: {
    kind: 'histogram',
    help: 'Size of the session cookies written.',
    labels: [],
    buckets: [1000, 1500, 2000, 2500, 3000, 3500, 4000, 6000, 8000],
  },
  sessions_on_old_key_total: {
    kind: 'counter',
    help: 'Sessions opened with a key that is on its way out.',
    labels: [],
  },
  upstream_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the request to the application to its first byte.',
    labels: ['route'],
  },
  upstream_queue_seconds: {
    kind: 'histogram',
    help: 'Time that requests waited for a connection to the application, without those that found one at once.',
    labels: ['upstream'],
  },
  upstream_connections: {
    kind: 'gauge',
    help: 'Connections to the application, by state: idle or busy.',
    labels: ['upstream', 'state'],
    aggregate: 'sum',
  },
  circuit_open: {
    kind: 'gauge',
    help: "1 while nothing is sent there, because it keeps failing or no address of it is healthy: an application, or a user pool's token endpoint as pool/NAME; and while Redis does not do what it is asked, as session_store.",
    labels: ['target'],
    aggregate: 'max',
  },
  upstream_errors_total: {
    kind: 'counter',
    help: 'Failed exchanges with applications, by route and reason.',
    labels: ['route', 'reason'],
  },
  client_disconnects_total: {
    kind: 'counter',
    help: 'Clients that went away before their answer was complete.',
    labels: ['route'],
  },
  build_info: {
    kind: 'gauge',
    help: 'The running version; always 1.',
    labels: ['version', 'node'],
    aggregate: 'first',
  },
  config_info: {
    kind: 'gauge',
    help: 'The settings in force, as a hash without any secret; always 1, with one hash for each state of them that a process is in.',
    labels: ['hash'],
    aggregate: 'first',
  },
  certificate_expiry_timestamp_seconds: {
    kind: 'gauge',
    help: 'When a certificate in use expires, in seconds since 1970.',
    labels: ['name'],
    aggregate: 'min',
  },
  config_reloads_total: {
    kind: 'counter',
    help: 'Files that changed while the gateway runs, by what became of it: applied, refused and the old ones kept, or restart_needed.',
    labels: ['result'],
  },
} as const satisfies Record<string, MetricRow>

type MetricRow = { readonly help: string; readonly labels: readonly string[] } & (
  | { readonly kind: 'counter' }
  | { readonly kind: 'histogram'; readonly buckets?: readonly number[] }
  /** `aggregate`: what several workers' values are together. */
  | { readonly kind: 'gauge'; readonly aggregate: 'sum' | 'first' | 'max' | 'min' }
)

type Table = typeof metricTable
type Named<K extends MetricRow['kind']> = { [N in keyof Table]: Table[N]['kind'] extends K ? N : never }[keyof Table]
type LabelsOf<N extends keyof Table> = Readonly<Record<Table[N]['labels'][number], string>>

const reasons = <R extends string>(...names: readonly R[]): readonly { readonly reason: R }[] =>
  names.map((reason) => ({ reason }))
const results = <R extends string>(...names: readonly R[]): readonly { readonly result: R }[] =>
  names.map((result) => ({ result }))

/** What is there from the start, at 0: of a counter that appears with its first event, no rate ever shows that event. */
const FROM_START: { readonly [N in Named<'counter'>]?: readonly LabelsOf<N>[] } = {
  login_stages_total: LOGIN_STAGES.map((stage) => ({ stage })),
  sessions_ended_total: reasons('signed_out', 'replaced', 'idle', 'aged', 'refresh_rejected', 'other_person'),
  token_refreshes_total: [
    { result: 'renewed', reason: '' },
    { result: 'unavailable', reason: '' },
    { result: 'rejected', reason: 'refresh_rejected' },
  ],
  token_verifications_total: results('valid', 'refused').flatMap(({ result }) =>
    ['bearer', 'basic'].map((kind) => ({ kind, result })),
  ),
  jwks_fetches_total: results('fetched', 'failed'),
  config_reloads_total: results('applied', 'refused'),
}

/** What the rest of the gateway may do with metrics: count, set and observe by the names of the table. */
export interface Metrics {
  count<N extends Named<'counter'>>(name: N, labels: LabelsOf<N>): void
  set<N extends Named<'gauge'>>(name: N, value: number, labels: LabelsOf<N>): void
  /** Sets the one series that there is from now on; those with other labels go. */
  setOnly<N extends Named<'gauge'>>(name: N, value: number, labels: LabelsOf<N>): void
  observe<N extends Named<'histogram'>>(name: N, value: number, labels: LabelsOf<N>): void
  /** One child with its labels, for those who count the same again and again: looking it up each time costs more than counting. */
  counter<N extends Named<'counter'>>(name: N, labels: LabelsOf<N>): { inc(): void }
  gauge<N extends Named<'gauge'>>(name: N, labels: LabelsOf<N>): { add(difference: number): void }
  histogram<N extends Named<'histogram'>>(name: N, labels: LabelsOf<N>): { observe(value: number): void }
  expose(): Promise<Exposition>
  /** Every value as it stands, to be summed up with those of other processes. */
  snapshot(): Promise<MetricsSnapshot>
}

/** The text that Prometheus reads, and its content type. */
export interface Exposition {
  readonly text: string
  readonly contentType: string
}

export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const tallies = new Map<string, MetricFamily<Tally>>()
  const distributions = new Map<string, MetricFamily<Distribution>>()

  function register<Series>(family: MetricFamily<Series>): MetricFamily<Series> {
    // oxlint-disable-next-line no-unsafe-type-assertion -- the registry asks a metric for its name and values only
    registry.registerMetric(family as unknown as Metric)
    return family
  }

  for (const [name, row] of Object.entries<MetricRow>(metricTable)) {
    const { kind, help, labels } = row
    const common = { name: PREFIX + name, help, type: kind, labels }
    if (row.kind === 'histogram') {
      const bounds = row.buckets ?? SECONDS
      const family = new MetricFamily<Distribution>({
        ...common,
        aggregator: 'sum',
        start: () => new Distribution(bounds),
        read: (series, of) => series.read(common.name, of),
      })
      distributions.set(name, register(family))
    } else {
      const family = new MetricFamily<Tally>({
        ...common,
        aggregator: row.kind === 'gauge' ? row.aggregate : 'sum',
        start: () => new Tally(),
        read: ({ value }, of) => [{ labels: of, value }],
      })
      tallies.set(name, register(family))
    }
  }
  for (const [name, series] of Object.entries(FROM_START)) for (const labels of series) found(tallies, name).of(labels)
  return {
    counter: (name, labels) => found(tallies, name).of(labels),
    gauge: (name, labels) => found(tallies, name).of(labels),
    histogram: (name, labels) => found(distributions, name).of(labels),
    count: (name, labels) => found(tallies, name).of(labels).inc(),
    set(name, value, labels) {
      found(tallies, name).of(labels).value = value
    },
    setOnly(name, value, labels) {
      const family = found(tallies, name)
      family.clear()
      family.of(labels).value = value
    },
    observe: (name, value, labels) => found(distributions, name).of(labels).observe(value),
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
    snapshot: async () => registry.getMetricsAsJSON(),
  }
}

function found<Family>(families: ReadonlyMap<string, Family>, name: string): Family {
  const family = families.get(name)
  if (family === undefined) throw new TypeError(`the table has no metric ${name} of this kind`)
  return family
}
