/** A header as a client sends it. */
export type Line = readonly [name: string, value: string]

/** What brings a request to the gateway. */
export type CarrierName = 'HTTP/1.1' | 'HTTP/2' | 'an upgrade'

/** Where the gateway is, as its application is told. */
export interface Place {
  readonly host: string
  readonly port: string
  readonly proto: string
}

/** What may be sent, and what may become of it at the application; the same over every carrier. */
export interface HeaderCase {
  readonly id: string
  readonly about: string
  /** Each with all of its headers at once. */
  readonly requests: readonly (readonly Line[])[]
  readonly as?: 'alice' | 'carol' | 'nobody'
  readonly path?: string
  /** Values of these names that reach the application, whatever their spelling; everything else of the requests may or may not. */
  readonly told?: (place: Place) => Readonly<Record<string, readonly string[]>>
  /** Stands in no header that reaches the application. */
  readonly never?: RegExp
  /** The application is not asked at all. */
  readonly refused?: true
  /** Where some carriers have no such header. */
  readonly only?: readonly CarrierName[]
}

const NOBODY_TOLD = () => ({
  'x-forwarded-user': [],
  'x-forwarded-email': [],
  'x-forwarded-groups': [],
  'x-forwarded-preferred-username': [],
})
const ALICE = () => ({ 'x-forwarded-email': ['alice@example.com'], 'x-forwarded-groups': ['admins,ops'] })
/** Every byte that may stand in a name beside letters, digits and the hyphen. */
const SEPARATORS = "!#$%&'*+.^_`|~".split('')

const forged = (names: readonly string[]): readonly (readonly Line[])[] => names.map((name) => [[name, 'mallory']])

/** The rows of identity-header spoofing that a request can carry. */
export const headerCases: readonly HeaderCase[] = [
  {
    id: 'H01 H02 H03 H05 H15',
    about: 'no spelling of an identity header gets past the gateway',
    requests: [
      'X-Forwarded-Email',
      'x-forwarded-email',
      'X-FORWARDED-EMAIL',
      'x-FoRwArDeD-eMaIl',
      'X_Forwarded_Email',
      'x_forwarded-email',
      'x-forwarded_email',
      ...SEPARATORS.map((byte) => `x${byte}forwarded${byte}email`),
    ].map((name) => [
      [name, 'mallory@x'],
      [name, 'root@x'],
    ]),
    told: ALICE,
    never: /mallory|root@x/,
  },
  {
    id: 'H06',
    about: 'a family is reserved whole, also where nothing of it is told',
    requests: forged(['X-Gateway-Anything-New', 'X_Gateway_User', 'X-Forwarded-Anything', 'X-Auth-Request-New']),
    told: ALICE,
    never: /mallory/,
  },
  {
    id: 'H07',
    about: 'on a public route a forged identity does not reach the application either',
    requests: [
      [
        ['X-Forwarded-User', 'mallory'],
        ['X_Forwarded_Email', 'mallory'],
        ['Remote-User', 'mallory'],
      ],
    ],
    as: 'nobody',
    path: '/public/x',
    told: NOBODY_TOLD,
    never: /mallory/,
  },
  {
    id: 'H09',
    about: 'a claim that is missing means no header, never the one that the client sent',
    requests: forged(['X-Forwarded-Email', 'X_Forwarded_Email', 'X-Forwarded-Groups']),
    as: 'carol',
    told: () => ({ 'x-forwarded-email': [], 'x-forwarded-groups': [], 'x-forwarded-preferred-username': ['carol'] }),
    never: /mallory/,
  },
  {
    id: 'H10 H11 H13',
    about: 'naming identity headers in Connection does not take them away, and what else it names is dropped',
    requests: [
      [
        ['Connection', 'keep-alive, X-Forwarded-User'],
        ['connection', '\t,, x-forwarded-EMAIL ,'],
        ['X-Foo', 'dropped'],
        ['Connection', 'X-Foo'],
      ],
    ],
    told: () => ({ ...ALICE(), 'x-foo': [] }),
    never: /dropped/,
    only: ['HTTP/1.1', 'an upgrade'],
  },
  {
    id: 'H14',
    about: 'headers for one hop are dropped and never an error',
    requests: [
      ['Keep-Alive', '5'],
      ['Proxy-Connection', 'keep-alive'],
      ['TE', 'gzip'],
      ['Trailer', 'X-T'],
      ['Proxy-Authorization', 'Basic x'],
      ['Proxy-Authenticate', 'x'],
    ].map(([name = '', value = '']) => [[name, value]]),
    told: () => ({
      ...ALICE(),
      'keep-alive': [],
      'proxy-connection': [],
      te: [],
      trailer: [],
      'proxy-authorization': [],
    }),
    only: ['HTTP/1.1', 'an upgrade'],
  },
  {
    id: 'H14',
    about: 'of those the ones that HTTP/2 knows are dropped there too',
    requests: [
      ['te', 'trailers'],
      ['trailer', 'x-t'],
      ['proxy-authorization', 'Basic x'],
      ['proxy-authenticate', 'x'],
    ].map(([name = '', value = '']) => [[name, value]]),
    told: () => ({ ...ALICE(), te: [], trailer: [], 'proxy-authorization': [], 'proxy-authenticate': [] }),
    only: ['HTTP/2'],
  },
  {
    id: 'H14',
    about: 'and headers that name a connection end their stream',
    requests: [
      ['connection', 'x-forwarded-user'],
      ['keep-alive', '5'],
      ['proxy-connection', 'keep-alive'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'h2c'],
      ['te', 'gzip'],
    ].map(([name = '', value = '']) => [[name, value]]),
    refused: true,
    only: ['HTTP/2'],
  },
  {
    id: 'H22',
    about: 'doubled Host, Authorization, Content-Type and Origin are refused',
    requests: [
      [['Host', 'evil.example']],
      [
        ['Authorization', 'a'],
        ['Authorization', 'b'],
      ],
      [
        ['Content-Type', 'a/b'],
        ['Content-Type', 'c/d'],
      ],
      [
        ['Origin', 'https://evil.example'],
        ['Origin', 'https://evil.example'],
      ],
    ],
    refused: true,
  },
  {
    id: 'H22',
    about: 'several Cookie headers are joined',
    requests: [
      [
        ['Cookie', 'app=1'],
        ['Cookie', 'other=2'],
      ],
    ],
    told: () => ({ ...ALICE(), cookie: ['app=1; other=2'] }),
  },
  {
    id: 'H25 H26',
    about: 'what a client says about its address and the public address is dropped',
    requests: [
      [
        'X-Forwarded-For',
        'X-Forwarded-Host',
        'X-Forwarded-Proto',
        'X-Forwarded-Port',
        'X-Forwarded-Prefix',
        'X-Forwarded-Uri',
        'X-Forwarded-Method',
        'X_Forwarded_Proto',
        'x.forwarded.for',
        'Forwarded',
        'X-Real-IP',
        'X_Real_IP',
        'True-Client-IP',
        'CF-Connecting-IP',
        'X-Client-IP',
        'X-Cluster-Client-IP',
        'Via',
        'X-Request-Id',
        'X-Original-URL',
        'X-Rewrite-URL',
        'X-HTTP-Method-Override',
        'traceparent',
        'baggage',
      ].map((name) => [name, '6.6.6.6'] as const),
    ],
    told: ({ host, port, proto }) => ({
      'x-forwarded-for': ['127.0.0.1'],
      'x-forwarded-proto': [proto],
      'x-forwarded-host': [host],
      'x-forwarded-port': [port],
      'x-forwarded-prefix': [],
      via: [],
      forwarded: [],
    }),
    never: /6\.6\.6\.6/,
  },
  {
    id: 'H27',
    about: 'identity headers of other products are dropped',
    requests: [
      [
        'X-Auth-Request-User',
        'X-Authenticated-User',
        'Remote-User',
        'REMOTE_USER',
        'X-Remote-User',
        'X-WebAuth-User',
        'X-Amzn-Oidc-Identity',
        'Cf-Access-Authenticated-User-Email',
        'X-Goog-Authenticated-User-Email',
        'X-Goog-Iap-Jwt-Assertion',
        'X-Authentik-Username',
        'X-Pomerium-Jwt-Assertion',
        'X-Ms-Client-Principal',
        'SSL-Client-Cert',
        'SSL_Client_S_DN',
        'X-SSL-Client-DN',
        'X-Client-Cert',
      ].map((name) => [name, 'mallory'] as const),
    ],
    told: ALICE,
    never: /mallory/,
  },
  {
    id: 'H31',
    about: 'an Authorization of the application passes through, and is not mixed with the session',
    requests: [[['Authorization', 'Bearer some-token-of-the-application']]],
    told: () => ({ ...ALICE(), authorization: ['Bearer some-token-of-the-application'] }),
  },
  {
    id: 'H31',
    about: 'and proves nothing to the gateway',
    requests: [[['Authorization', 'Bearer some-token-of-the-application']], [['Authorization', 'Basic YWxpY2U6eA==']]],
    as: 'nobody',
    refused: true,
  },
  {
    id: 'H33',
    about: 'only our cookies are taken out of a Cookie header',
    requests: [
      [['Cookie', '__Host-gateway2=keep; __Host-gateway=secret; x__Host-gateway=keep; __Host-gateway.1=secret']],
      [
        ['Cookie', '__Host-gateway2=keep'],
        ['Cookie', '__host-gateway=secret; x__Host-gateway=keep'],
      ],
    ],
    as: 'nobody',
    path: '/public/x',
    told: () => ({ cookie: ['__Host-gateway2=keep; x__Host-gateway=keep'] }),
    never: /secret/,
  },
  {
    id: 'H33',
    about: 'a Cookie header with nothing else in it is left out, and odd ones do no harm',
    requests: [[['Cookie', '__Host-gateway=secret']], [['Cookie', '__Host-gateway=secret;']]],
    as: 'nobody',
    path: '/public/x',
    told: () => ({ cookie: [] }),
    never: /secret/,
  },
  {
    id: 'H33',
    about: 'odd Cookie headers do no harm',
    requests: ['', ';;;', '=', '"', 'a', Array.from({ length: 1_000 }, (_, nth) => `c${nth}=1`).join('; ')].map(
      (value) => [['Cookie', value]],
    ),
    as: 'nobody',
    path: '/public/x',
    told: NOBODY_TOLD,
  },
]
