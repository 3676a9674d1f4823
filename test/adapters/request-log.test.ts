import { pino } from 'pino'
import t from 'tap'
import { createRequestLog, type RequestLine } from '../../src/adapters/request-log.ts'

const line: RequestLine = {
  requestId: '9b0f6a4e-1111-4222-8333-444455556666',
  route: 'wiki/assets',
  method: 'GET',
  path: '/a/b',
  status: 200,
  code: undefined,
  reason: undefined,
  wouldDeny: undefined,
  attempt: undefined,
  person: undefined,
  sub: undefined,
  email: undefined,
  machine: undefined,
  client: '192.0.2.7',
  durationMs: 12.3,
  upstreamMs: undefined,
  aborted: false,
  forwardAuth: false,
}

function linesOf(level: string, write: (log: pino.Logger) => void): string[] {
  const lines: string[] = []
  const options = { level, base: { worker: 2 }, timestamp: () => ',"time":"2026-01-01T00:00:00.000Z"' }
  write(pino(options, { write: (text: string) => void lines.push(text) }))
  return lines
}

t.test('the line of a request is letter for letter what the logger itself would write', async (t) => {
  const full = {
    code: 'GW_FORBIDDEN',
    reason: 'group_missing',
    wouldDeny: 'claim_mismatch',
    attempt: 'AbCd-_12',
    person: 'aGFzaA',
    sub: 's"ub',
    email: 'björn@example.com',
    machine: 'orders-batch',
    upstreamMs: 0.5,
    aborted: true,
    forwardAuth: true,
  }
  for (const request of [
    line,
    { ...line, ...full },
    { ...line, path: '/quote"back\\slash\tcontrol\u0001' },
    { ...line, path: '/日本/\u2028' },
    { ...line, route: '', client: '' },
  ]) {
    const { aborted, forwardAuth, ...fields } = request
    const expected = linesOf('info', (log) =>
      log.info(
        { event: 'request', ...fields, ...(aborted ? { aborted } : {}), ...(forwardAuth ? { forwardAuth } : {}) },
        'request',
      ),
    )
    t.same(
      linesOf('info', (log) => createRequestLog(log)(request)),
      expected,
    )
  }
})

t.test('where the log is told to be quieter, requests are not in it', async (t) => {
  t.same(
    linesOf('warn', (log) => createRequestLog(log)(line)),
    [],
  )
  const lines = linesOf('warn', (log) => {
    const write = createRequestLog(log)
    write(line)
    log.level = 'info'
    write(line)
  })
  t.equal(lines.length, 1, 'and the level may change while the gateway runs')
})
