import { RESERVED_FAMILIES, RESERVED_NAMES } from '../../src/domain/reserved-headers.ts'

/** What proxies that can name headers only one by one must name of each reserved family: what applications are known to believe. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'x-gateway-': ['jwt-assertion'],
  'x-forwarded-': ['access-token', 'port', 'prefix', 'server', 'ssl', 'scheme', 'uri', 'method'],
  'x-auth-request-': ['user', 'preferred-username', 'email', 'groups', 'access-token'],
  'x-authenticated-': ['user', 'email', 'groups'],
  'remote-': ['user', 'name', 'email', 'groups'],
  'x-remote-': ['user', 'name', 'email', 'group', 'groups'],
  'x-webauth-': ['user', 'name', 'email', 'role', 'groups'],
  'x-amzn-oidc-': ['identity', 'accesstoken', 'data'],
  'cf-access-': ['authenticated-user-email', 'jwt-assertion'],
  'x-goog-authenticated-': ['user-email', 'user-id'],
  'x-goog-iap-': ['jwt-assertion'],
  'x-authentik-': ['username', 'name', 'email', 'groups', 'uid', 'jwt'],
  'x-pomerium-': ['jwt-assertion', 'claim-email', 'claim-user', 'claim-groups'],
  'x-ms-client-principal': ['', '-name', '-id', '-idp'],
  'ssl-client-': ['cert', 'verify', 's-dn', 'subject-dn'],
  'x-ssl-': ['client-cert', 'client-verify', 'client-dn'],
  'x-client-cert': [''],
  'x-original-': ['url', 'uri', 'host', 'method'],
  'x-rewrite-': ['url'],
  'x-envoy-': ['external-address', 'original-path'],
}

/** Of a proxy's own connection. */
const OF_PROXIES = new Set(['proxy-'])
/** Written by the proxy itself, of its connection, for tracing, or judged: the method that one names is asked about too. */
const LEFT =
  /^(?:host|via|connection|keep-alive|te|trailer|transfer-encoding|upgrade|http2-settings|expect|x-request-id|traceparent|tracestate|baggage|x-.*method.*)$/

export const families = RESERVED_FAMILIES.filter((family) => !OF_PROXIES.has(family))
export const singleNames = [...RESERVED_NAMES].filter((name) => !LEFT.test(name))

/** Every name that no client may say to an application behind any proxy. */
export const namesNobodySays: readonly string[] = [
  ...singleNames,
  ...families.flatMap((family) => {
    const known = KNOWN[family]
    if (known === undefined) throw new Error(`say which names of ${family} applications believe`)
    return known.map((rest) => family + rest)
  }),
]
