/**
 * What becomes of a target in the world of `startWorld`, whose sample application has a public and an admin route:
 * - `refused`: 400 for everybody, before any rule is asked
 * - `tooLong`: 414
 * - `public`: passes without a sign-in
 * - `signedIn`: 401, and passes for whoever is signed in
 * - `admin`: 401, and 403 for whoever is signed in but no admin
 * - `own`: the gateway's own 404, for whoever is signed in too
 *
 * What passes reaches the application byte for byte.
 */
export type Verdict = 'refused' | 'tooLong' | 'public' | 'signedIn' | 'admin' | 'own'

/** A row of attacks on the path: other protocols must come to the same verdicts. */
export interface PathRow {
  readonly id: `P${number}`
  /** Of which the targets are examples, as the subject of a sentence. */
  readonly about: string
  readonly verdict: Verdict
  readonly targets: readonly string[]
  /** Set where only HTTP/1.1 can send such a target at all. */
  readonly onlyHttp1?: true
}

const OWN = ['start', 'sign_in', 'callback', 'sign_out', 'signed_out', 'userinfo', 'ping']

/** Targets and verdicts for a gateway at `host`, a name with port. Bytes beyond ASCII are written as Latin-1. */
export function corpusFor(host: string): readonly PathRow[] {
  return [...refusals, ...refusedForms(host), ...sizes, ...passing]
}

const refusals: readonly PathRow[] = [
  {
    id: 'P01',
    about: 'dot segments',
    verdict: 'refused',
    targets: ['/public/../admin/x', '/public/..', '/..', '/public/x/../../admin/x', '/public/x;/../admin'],
  },
  {
    id: 'P02',
    about: 'encoded dot segments',
    verdict: 'refused',
    targets: ['/public/%2e%2e/admin/x', '/public/%2E./admin', '/public/.%2e/admin', '/public%2F..%2Fadmin'],
  },
  {
    id: 'P04',
    about: 'double and triple encoding',
    verdict: 'refused',
    targets: [
      '/public/%252e%252e/admin',
      '/public/%25%32%65%25%32%65/admin',
      '/public/%25252e%25252e/admin',
      '/public/%252fadmin',
      '/%2561dmin',
    ],
  },
  {
    id: 'P05',
    about: 'dot segments that only a forwarder would resolve',
    verdict: 'refused',
    targets: ['/./admin/x', '/admin/./x', '/x/./../', '/.'],
  },
  { id: 'P06', about: 'the same encoded', verdict: 'refused', targets: ['/%2e/admin/x', '/%2E/admin/x'] },
  { id: 'P08', about: 'backslashes', verdict: 'refused', targets: ['/public\\..\\admin', '/\\admin', '\\admin'] },
  {
    id: 'P09',
    about: 'encoded backslashes',
    verdict: 'refused',
    targets: ['/%5cadmin', '/public/%5c..%5cadmin', '/public/%5C..%5Cadmin', '/%255cadmin'],
  },
  {
    id: 'P10',
    about: 'empty segments',
    verdict: 'refused',
    targets: ['//admin/x', '///admin', '/public//../admin', '/public//x', '/admin//', '//evil.example/admin'],
  },
  {
    id: 'P12',
    about: 'matrix parameters',
    verdict: 'refused',
    targets: ['/admin;x=1/y', '/admin;/x', '/public/..;/admin', '/;/admin', '/public/x;jsessionid=1'],
  },
  { id: 'P13', about: 'encoded matrix parameters', verdict: 'refused', targets: ['/admin%3bx=1', '/admin%3Bx'] },
  {
    id: 'P14',
    about: 'names that Windows shortens',
    verdict: 'refused',
    targets: ['/admin.', '/admin./x', '/admin..', '/admin%20', '/admin%20/', '/admin::$DATA'],
  },
  { id: 'P16', about: 'null bytes', verdict: 'refused', targets: ['/admin%00', '/admin%00/x', '/public/%00'] },
  {
    id: 'P17',
    about: 'encoded control bytes',
    verdict: 'refused',
    targets: ['/a%0d%0ax', '/a%09b', '/a%0bb', '/a%7fb', '/a%85b', '/a%c2%85b'],
  },
  {
    id: 'P18',
    about: 'invalid UTF-8',
    verdict: 'refused',
    targets: ['/%c0%ae', '/%e0%80%ae', '/%ff', '/%ed%a0%80', '/b%FCcher'],
  },
  { id: 'P20', about: 'raw bytes', verdict: 'refused', targets: ['/\xe4', '/a\x7fb', '/caf\xc3\xa9'] },
  { id: 'P20', about: 'a raw space or tab', verdict: 'refused', targets: ['/a b', '/a\tb'], onlyHttp1: true },
  {
    id: 'P21',
    about: 'fragments',
    verdict: 'refused',
    targets: [
      '/admin#/x',
      '/public#/../admin',
      '/public/x%23/../../admin',
      '/foo/secret#/bar',
      '/public/x%23y',
      '/public/x?y#z',
    ],
  },
  { id: 'P24', about: 'encoded question marks', verdict: 'refused', targets: ['/public/x%3fy', '/public/x%3Fy'] },
  {
    id: 'P44',
    about: 'aliases of the own endpoints',
    verdict: 'refused',
    targets: OWN.flatMap((name) => [
      `/%2e/oauth2/${name}`,
      `/oauth2/${name}/../../admin`,
      `/oauth2/${name};x`,
      `/oauth2//${name}`,
      `/oauth2%2f${name}`,
      `/OAuth2./${name}`,
      `/oauth2/${name}%2f`,
    ]),
  },
]

const refusedForms = (host: string): readonly PathRow[] => [
  {
    id: 'P25',
    about: 'an absolute address',
    verdict: 'refused',
    targets: [`http://${host}/admin`, `http://${host}/public/x`, `http://${host}/oauth2/ping`],
    onlyHttp1: true,
  },
  {
    id: 'P26',
    about: 'an absolute address with another authority or scheme',
    verdict: 'refused',
    targets: [
      'http://evil.example/admin',
      'https://evil.example/',
      'ftp://evil.example/',
      `ws://${host}/public/x`,
      `HTTP://${host}/`,
      `http://user@${host}/`,
      `http://${host.replace(/:\d+$/, '')}:1/public/x`,
    ],
    onlyHttp1: true,
  },
  { id: 'P28', about: 'no path at all', verdict: 'refused', targets: ['admin', host, '?x', '*', ''], onlyHttp1: true },
]

const sizes: readonly PathRow[] = [
  {
    id: 'P38',
    about: 'an endless address',
    verdict: 'tooLong',
    targets: [`/${'a'.repeat(9_000)}`, `/${'%25'.repeat(10_000)}`, '/..'.repeat(5_000), '/a'.repeat(10_000)],
  },
  {
    id: 'P38',
    about: 'as many escapes or dots as fit',
    verdict: 'refused',
    targets: [`/${'%25'.repeat(2_500)}`, '/..'.repeat(2_000), `/${'%252Fx;/'.repeat(900)}`, '/'.repeat(8_000)],
  },
  { id: 'P38', about: 'many segments that are only many', verdict: 'signedIn', targets: ['/a'.repeat(4_000)] },
]

const passing: readonly PathRow[] = [
  {
    id: 'P22',
    about: 'what a query says of the path',
    verdict: 'admin',
    targets: ['/admin?/public', '/admin?x=/public/y', '/admin/?public'],
  },
  {
    id: 'P33',
    about: 'a name that only begins like a prefix',
    verdict: 'signedIn',
    targets: ['/adminx', '/admin-old', '/publicity', '/api2'],
  },
  { id: 'P34', about: 'a prefix with and without a final slash', verdict: 'admin', targets: ['/admin', '/admin/'] },
  { id: 'P34', about: 'a prefix with and without a final slash', verdict: 'public', targets: ['/public', '/public/'] },
  {
    id: 'P40',
    about: 'an address that is merely unusual',
    verdict: 'signedIn',
    targets: [
      '/[...slug]',
      '/a..b',
      '/..x',
      '/a:b',
      '/%E6%97%A5',
      '/a+b',
      '/a%20b',
      '/@scope/x',
      '/~u/',
      "/a'b(c)!*",
      '/A%20Mixed%2DCase',
      '/x?q=%2F..%2F&r={}|^`"<>\\',
    ],
  },
  {
    id: 'P40',
    about: 'another spelling of one path',
    verdict: 'admin',
    targets: ['/ADMIN/x', '/Admin/x', '/%61dmin/x', '/%41DMIN/x', '/adm%69n'],
  },
  {
    id: 'P44',
    about: 'an own address in another spelling',
    verdict: 'own',
    targets: [
      '/oauth2',
      '/OAuth2/start',
      '/oauth2/START',
      '/oauth2/unknown',
      '/oauth2/callback/',
      '/%6Fauth2/start',
      '/oauth2/ping/x',
    ],
  },
]
