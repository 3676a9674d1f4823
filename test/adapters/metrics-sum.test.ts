import t from 'tap'
import { createMetricsSum } from '../../src/adapters/metrics-sum.ts'
import { createMetrics } from '../../src/adapters/metrics.ts'

const valueOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  )
const SIGN_OUTS = 'cognito_gateway_sign_outs_total'
const BYTES = 'cognito_gateway_session_cookie_bytes_count'
const IN_FLIGHT = 'cognito_gateway_requests_in_flight'

/** A process that counted as much. */
async function counted(times: number) {
  const metrics = createMetrics()
  for (let at = 0; at < times; at += 1) metrics.count('sign_outs_total', {})
  metrics.observe('session_cookie_bytes', 2_000, {})
  metrics.set('requests_in_flight', times, {})
  metrics.set('jwks_age_seconds', times, {})
  metrics.set('build_info', 1, { version: '1', node: '20' })
  return metrics.snapshot()
}

t.test('counts and histograms are summed up, ages are the oldest, the version is one', async (t) => {
  const sum = createMetricsSum()
  sum.update(0, await counted(0))
  sum.update(1, await counted(3))
  sum.update(2, await counted(4))
  const { text, contentType } = await sum.expose()
  t.match(contentType, 'text/plain; version=0.0.4')
  t.equal(valueOf(text, SIGN_OUTS), 7)
  t.equal(valueOf(text, BYTES), 3)
  t.equal(valueOf(text, IN_FLIGHT), 7)
  t.equal(valueOf(text, 'cognito_gateway_jwks_age_seconds'), 4)
  t.equal(valueOf(text, 'cognito_gateway_build_info{version="1",node="20"}'), 1)
  const own = process.uptime()
  t.ok(Math.abs(Date.now() / 1000 - own - valueOf(text, 'process_start_time_seconds')) < 60, 'a time is no sum either')
})

t.test('newer counts of a process replace its older ones', async (t) => {
  const sum = createMetricsSum()
  sum.update(1, await counted(3))
  sum.update(1, await counted(5))
  t.equal(valueOf((await sum.expose()).text, SIGN_OUTS), 5)
})

t.test('what a process counted outlives it, what it held does not', async (t) => {
  const sum = createMetricsSum()
  for (const id of [1, 2, 3]) {
    sum.update(id, await counted(id))
    sum.retire(id)
  }
  sum.retire(4)
  sum.update(5, await counted(10))
  // Read more than once, and at the same time: those that are gone are condensed meanwhile.
  const texts = await Promise.all([sum.expose(), sum.expose()])
  for (const { text } of [...texts, await sum.expose()]) {
    t.equal(valueOf(text, SIGN_OUTS), 16)
    t.equal(valueOf(text, BYTES), 4)
    t.equal(valueOf(text, IN_FLIGHT), 10)
  }
  sum.retire(5)
  t.equal(valueOf((await sum.expose()).text, SIGN_OUTS), 16)
})
