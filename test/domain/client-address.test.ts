import t from 'tap'
import { clientChain, parseAddress } from '../../src/domain/client-address.ts'
import { parseProxyHeader } from '../../src/domain/proxy-header.ts'

t.test('A18 an address has one spelling, and what is none is not guessed at', async (t) => {
  for (const [text, expected] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::1', '::1'],
    ['192.0.2.01', null],
    ['192.0.2.256', null],
    ['192.0.2', null],
    ['192.0.2.1.', null],
    ['3221225985', null],
    ['0x7f000001', null],
    ['1::2::3', null],
    ['fe80::1%eth0', null],
    ['[::1]', null],
    ['', null],
    ['localhost', null],
    [`::${'1'.repeat(100)}`, null],
  ] as const)
    t.equal(parseAddress(text), expected, text)
})

t.test('a chain is read from the right for as long as proxies are trusted', async (t) => {
  const trusted = (address: string): boolean => address.startsWith('10.')
  t.same(clientChain('', '10.0.0.1', trusted), null)
  t.same(clientChain('6.6.6.6, 192.0.2.9 ,10.0.0.2', '10.0.0.1', trusted), ['192.0.2.9', '10.0.0.2', '10.0.0.1'])
  t.same(clientChain('junk, 192.0.2.9', '10.0.0.1', trusted), ['192.0.2.9', '10.0.0.1'])
  t.same(clientChain(`${'6.6.6.6,'.repeat(5_000)}192.0.2.9`, '10.0.0.1', trusted), ['192.0.2.9', '10.0.0.1'])
  t.equal(clientChain(`${'10.0.0.3,'.repeat(5_000)}10.0.0.2`, '10.0.0.1', trusted), null)
  t.equal(clientChain('192.0.2.9, junk', '10.0.0.1', trusted), null)
})

t.test('any beginning of a PROXY protocol header is incomplete, and any other byte is malformed', async (t) => {
  const whole = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007107c0000201126701bb', 'hex')
  for (let length = 0; length < whole.length; length += 1)
    t.equal(parseProxyHeader(whole.subarray(0, length)).kind, 'incomplete')
  t.same(parseProxyHeader(whole), { kind: 'header', length: 28, source: '203.0.113.7' })
  for (let at = 0; at < 12; at += 1) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ 1
    t.equal(parseProxyHeader(changed).kind, 'malformed')
  }
})
