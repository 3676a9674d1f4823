import t from 'tap'
import { catalogue, GatewayError } from '../../src/domain/errors.ts'

t.test('every code of the catalogue has an error status and a sentence', async (t) => {
  for (const [code, { status, says }] of Object.entries(catalogue)) {
    t.ok(status >= 400 && status <= 599, `${code} is an error`)
    t.match(says, /^[A-Z].*[^.]$/, `${code} says something`)
  }
})

t.test('a gateway error carries its code and the sentence of the catalogue', async (t) => {
  const error = new GatewayError('GW_FORBIDDEN', { reason: 'group_missing' })
  t.equal(error.code, 'GW_FORBIDDEN')
  t.equal(error.message, catalogue.GW_FORBIDDEN.says)
  t.equal(error.reason, 'group_missing')
})
