interface JwtForm {
  readonly sign: (input: string) => string
  /** With `=` at the end of each part, as load balancers of AWS write it against RFC 7515; the signature is over that. */
  readonly padded: boolean
}

/** A JWT in the compact form, with whatever header, claims and signature it is given. */
export function compactJwt(header: object, claims: object, { sign, padded }: JwtForm): string {
  const fill = (text: string): string => (padded ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text)
  const part = (value: object): string => fill(Buffer.from(JSON.stringify(value)).toString('base64url'))
  const input = `${part(header)}.${part(claims)}`
  return `${input}.${fill(sign(input))}`
}
