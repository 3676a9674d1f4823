import { isIP, Socket, type LookupFunction } from 'node:net'
import type { SecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import type { ParsedAddress } from './address.ts'

/** Also returns the socket on its way, so that whoever needs it no longer can end it. */
export type Connect = (...args: Parameters<buildConnector.connector>) => Socket | null

export interface ConnectRules {
  readonly connectSeconds: number
  /** The name to ask for and to find in the certificate; undefined: the host of the address. */
  readonly serverName: string | undefined
  readonly insecureSkipVerify: boolean
  /** What to trust and to show, as it is now; another object when the files have changed. */
  readonly secureContext: () => SecureContext
  readonly lookup: LookupFunction
}

/** How sockets to one address are opened: by the address's name, or to the one IP address of it that is given. */
export function createConnect(address: ParsedAddress, ip: string | null, rules: ConnectRules): Connect {
  const servername = tlsName(address, rules)
  let context = address.secure ? rules.secureContext() : undefined
  let connector = build(address, rules, context)
  return (options, callback) => {
    const latest = address.secure ? rules.secureContext() : undefined
    if (latest !== context) {
      context = latest
      connector = build(address, rules, context)
    }
    const { servername: _ofTheRequest, ...rest } = options
    // undici's types do not tell that it returns the socket.
    const socket: unknown = connector(
      { ...rest, hostname: ip ?? options.hostname, ...(servername === undefined ? {} : { servername }) },
      callback,
    )
    return socket instanceof Socket ? socket : null
  }
}

function build(
  address: ParsedAddress,
  rules: ConnectRules,
  secureContext: SecureContext | undefined,
): buildConnector.connector {
  return buildConnector({
    timeout: rules.connectSeconds * 1000,
    autoSelectFamily: true,
    lookup: rules.lookup,
    socketPath: address.socketPath,
    ...(secureContext === undefined ? {} : { secureContext, rejectUnauthorized: !rules.insecureSkipVerify }),
  })
}

// An IP address is no name that TLS may ask for (RFC 6066 section 3); the certificate is held to it all the same.
function tlsName({ hostname }: ParsedAddress, { serverName }: ConnectRules): string | undefined {
  return serverName ?? (isIP(hostname) === 0 ? hostname : undefined)
}
