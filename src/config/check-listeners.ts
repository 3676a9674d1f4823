import { hostsOverlap, isLocal } from './addresses.ts'
import { given, type Draft } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'

/** What is wrong between the ports that are listened on, and between who speaks to them. */
export function checkListening(draft: Draft): readonly Finding[] {
  return [...checkListeners(draft), ...checkPublicListener(draft), ...checkTrustedProxies(draft)]
}

/** Whether the gateway sees who asks: by itself, or because those in front are trusted to say so. */
export function knowsClients({ listen, publicUrl, trustedProxies }: Draft['file']): boolean {
  const isTold = trustedProxies.some(({ headers, proxyProtocol }) => proxyProtocol || headers.includes('for'))
  return isTold || listen.tls !== undefined || publicUrl?.startsWith('http:') === true
}

function checkListeners(draft: Draft): readonly Finding[] {
  const { listen, admin, control, forwardAuth } = draft.file
  const listeners: readonly Listener[] = [
    ['listen', listen],
    ['admin', admin],
    ...(control === undefined ? [] : [['control', control] as const]),
    ...(forwardAuth === undefined ? [] : [['forwardAuth', forwardAuth] as const]),
  ]
  const findings = listeners.flatMap((one, at) =>
    listeners.slice(at + 1).flatMap((other) => checkPorts(draft, one, other)),
  )
  const isOpen = control !== undefined && !isLocal(control.host) && control.token === undefined
  if (isOpen && !draft.leftOut(['control', 'token']) && !draft.leftOut(['control', 'host']))
    findings.push(
      atValue(
        ['control', 'host'],
        'reaches beyond this machine: give control.token too (cognito-gateway keygen makes one), or write 127.0.0.1',
      ),
    )
  return findings
}

type Listener = readonly [name: string, address: { readonly host: string; readonly port: number }]

function checkPorts(draft: Draft, [name, one]: Listener, [otherName, other]: Listener): readonly Finding[] {
  if (one.port === 0 || one.port !== other.port || !hostsOverlap(one.host, other.host)) return []
  if ([name, otherName].some((listener) => draft.leftOut([listener, 'port']) || draft.leftOut([listener, 'host'])))
    return []
  const [wrong, right] = given(draft, [otherName, 'port']) ? [otherName, name] : [name, otherName]
  return [
    atValue(
      [wrong, 'port'],
      `must not be the port of ${right}, ${one.port}: the ${otherName} port is never shared with another listener`,
    ),
  ]
}

function checkPublicListener(draft: Draft): readonly Finding[] {
  const { listen, publicUrl } = draft.file
  const findings: Finding[] = []
  if (listen.http2 && listen.tls === undefined && !draft.leftOut(['listen', 'tls']))
    findings.push(atValue(['listen', 'http2'], 'needs listen.tls: browsers speak HTTP/2 only over TLS'))
  if (listen.tls !== undefined && publicUrl?.startsWith('http:') === true)
    findings.push(atValue(['publicUrl'], 'must begin with https:// because listen.tls serves https'))
  return findings
}

function checkTrustedProxies(draft: Draft): readonly Finding[] {
  const { trustedProxies, forwardAuth } = draft.file
  if (draft.leftOut(['trustedProxies'])) return []
  if (forwardAuth !== undefined && trustedProxies.every(({ headers }) => headers.length === 0))
    return [
      atKey(
        ['forwardAuth'],
        'would answer nobody: list the proxy that asks in trustedProxies, such as { cidr: 127.0.0.1/32, headers: [for] }',
      ),
    ]
  return trustedProxies.flatMap(({ headers, proxyProtocol }, at) => {
    const path = ['trustedProxies', at]
    if (headers.length === 0 && !proxyProtocol)
      return [atValue(path, 'believes nothing: write headers: [for, proto], or proxyProtocol: true')]
    return proxyProtocol && headers.includes('for')
      ? [
          atValue(
            [...path, 'headers'],
            'must not contain for: the PROXY protocol header tells the address of the client',
          ),
        ]
      : []
  })
}
