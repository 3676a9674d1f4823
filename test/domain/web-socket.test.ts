import fc from 'fast-check'
import t from 'tap'
import { closeFrame, FrameBoundary, upgradeFault } from '../../src/domain/web-socket.ts'

/** A frame as RFC 6455 5.2 wants it; its payload is all ones, so that no byte of it looks like a header of length nought. */
function frame(length: number, masked: boolean): Buffer {
  const mask = masked ? 0x80 : 0
  const long = Buffer.alloc(8)
  long.writeBigUInt64BE(BigInt(length))
  const size =
    length < 126
      ? Buffer.from([mask | length])
      : length < 65_536
        ? Buffer.concat([Buffer.from([mask | 126]), long.subarray(6)])
        : Buffer.concat([Buffer.from([mask | 127]), long])
  return Buffer.concat([Buffer.from([0x82]), size, Buffer.alloc(masked ? 4 : 0, 0xff), Buffer.alloc(length, 0xff)])
}

const frames = fc.array(
  fc.tuple(fc.oneof(fc.nat(300), fc.constantFrom(0, 125, 126, 127, 65_535, 65_536)), fc.boolean()),
  { minLength: 1, maxLength: 6 },
)

t.test('a goodbye may stand exactly where a frame ends, wherever the bytes of the frames are cut', async (t) => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 12 }), (lengths, cuts) => {
      const parts = lengths.map(([length, masked]) => frame(length, masked))
      const bytes = Buffer.concat(parts)
      const ends = parts.map((_, at) => Buffer.concat(parts.slice(0, at + 1)).length)
      const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].toSorted((a, b) => a - b)
      const boundary = new FrameBoundary()
      return places.slice(1).every((to, at) => {
        const from = places[at] ?? 0
        const last = ends.findLast((end) => end > from && end <= to)
        const whole = boundary.follow(bytes.subarray(from, to))
        return whole === (last === undefined ? 0 : last - from) && boundary.between === ends.includes(to)
      })
    }),
    { numRuns: 500 },
  )
  t.ok(new FrameBoundary().between, 'before the first frame, too')
})

t.test('a close frame carries its code and reason in clear, as servers send it', async (t) => {
  t.same(closeFrame(4401, 'end'), Buffer.from([0x88, 5, 0x11, 0x31, ...Buffer.from('end')]))
})

t.test('only a handshake of RFC 6455 becomes a WebSocket', async (t) => {
  const proper = { 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  const fault = (headers: object, { method = 'GET', httpVersion = '1.1' } = {}): string | null =>
    upgradeFault({ method, httpVersion, headers: { ...proper, ...headers } })
  t.equal(fault({}), null)
  t.equal(fault({ 'content-length': '0' }), null)
  t.equal(fault({}, { method: 'POST' }), 'upgrade_method')
  t.equal(fault({}, { httpVersion: '1.0' }), 'upgrade_version')
  t.equal(fault({ 'content-length': '1' }), 'upgrade_body')
  t.equal(fault({ 'transfer-encoding': 'chunked' }), 'upgrade_body')
  t.equal(fault({ 'sec-websocket-version': '8' }), 'upgrade_version')
  t.equal(fault({ 'sec-websocket-key': 'short' }), 'upgrade_key')
  t.equal(fault({ 'sec-websocket-key': undefined }), 'upgrade_key')
})
