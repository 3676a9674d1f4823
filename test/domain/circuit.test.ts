import t from 'tap'
import { Circuit } from '../../src/domain/circuit.ts'

const failing = (circuit: Circuit, times: number, now = 0) =>
  Array.from({ length: times }, () => circuit.record('failed', circuit.begin(now), now)).at(-1)

t.test(
  'a circuit opens after so many failures in a row, and an answer between them begins the count anew',
  async (t) => {
    const circuit = new Circuit({ failures: 3, openMs: 5_000 })
    t.equal(failing(circuit, 2), null)
    t.equal(circuit.record('answered', false, 0), null)
    t.equal(failing(circuit, 2), null)
    t.ok(circuit.lets(0))
    t.equal(failing(circuit, 1), 'opened')
    t.ok(circuit.isOpen)
    t.notOk(circuit.lets(4_999))
  },
)

t.test('after its time one probe goes ahead; its answer closes the circuit', async (t) => {
  const circuit = new Circuit({ failures: 1, openMs: 5_000 })
  failing(circuit, 1)
  t.ok(circuit.lets(5_000))
  t.equal(circuit.begin(5_000), true)
  t.notOk(circuit.lets(5_001), 'only one at a time')
  t.equal(circuit.record('answered', true, 5_002), 'closed')
  t.ok(circuit.lets(5_002))
})

t.test(
  'a probe that fails keeps it open as long again; one whose client went away lets the next one try',
  async (t) => {
    const circuit = new Circuit({ failures: 1, openMs: 5_000 })
    failing(circuit, 1)
    circuit.begin(5_500)
    t.equal(circuit.record('failed', true, 6_000), null)
    t.notOk(circuit.lets(10_999))
    t.ok(circuit.lets(11_000))
    circuit.begin(11_000)
    t.equal(circuit.record('abandoned', true, 11_500), null)
    t.ok(circuit.lets(11_500))
  },
)

t.test('a probe that lasts does not keep the next one waiting', async (t) => {
  const circuit = new Circuit({ failures: 1, openMs: 5_000 })
  failing(circuit, 1)
  const lasting = circuit.begin(5_000)
  t.notOk(circuit.lets(9_999))
  t.ok(circuit.lets(10_000))
  t.equal(circuit.record('answered', circuit.begin(10_000), 10_001), 'closed')
  t.equal(circuit.record('answered', lasting, 3_600_000), null)
})

t.test('what began before it opened proves nothing afterwards', async (t) => {
  const circuit = new Circuit({ failures: 1, openMs: 5_000 })
  const earlier = circuit.begin(0)
  failing(circuit, 1)
  t.equal(circuit.record('answered', earlier, 100), null)
  t.notOk(circuit.lets(100))
})

t.test('clients that go away say nothing about the application, and without rules nothing ever opens', async (t) => {
  const circuit = new Circuit({ failures: 1, openMs: 5_000 })
  t.equal(circuit.record('abandoned', false, 0), null)
  t.ok(circuit.lets(0))
  const none = new Circuit(null)
  t.equal(failing(none, 1_000), null)
  t.ok(none.lets(0))
})
