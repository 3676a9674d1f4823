import { startWorld, type World, type WorldOptions } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** Text that would do something in a page that forgot to escape it. */
export const HOSTILE = `"><img src=x onerror=alert(1)><script>alert('x')</script>`

/** The last day on which a route of it only reports. */
export const LAST_DAY = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10)

/** Applications whose rules, paths and settings are of many kinds, with a control port. */
export async function startOperatorWorld(t: Teardown, options: WorldOptions = {}): Promise<World> {
  return startWorld(t, {
    ...options,
    settings: {
      control: { port: 0, token: { file: 'control-token' } },
      pools: { local: { bearerClients: ['orders-batch', 'webappclient00000000000001'] } },
      applications: {
        wiki: {
          upstream: '%UPSTREAM%',
          access: 'signedIn',
          publicFiles: ['/favicon.ico'],
          identity: { headers: ['forwarded', 'remote'] },
          requestHeaders: { set: { 'X-Api-Key': 'do-not-show-this' } },
          routes: {
            assets: { path: '/assets/*', access: 'public' },
            page: { path: '/pages/:name', access: 'optional' },
            pages: { path: '/pages/new', methods: ['GET', 'POST'], access: [{ groups: ['ops', 'finance'] }] },
            admin: {
              path: '/admin/*',
              access: [
                { groups: ['ops', 'finance'], claims: { 'custom:tenant': ['acme'] } },
                { clients: ['orders-batch'], scopes: ['orders/read', 'orders/write'] },
              ],
            },
            pilot: { path: '/pilot/*', access: [{ groups: [HOSTILE] }], reportOnly: { until: LAST_DAY } },
            lab: { path: '/lab/*', access: [{ claims: { 'custom:team': [HOSTILE] } }] },
          },
        },
        orders: {
          path: '/orders',
          upstream: { url: 'https://orders.internal:8443/deep', insecureSkipVerify: 'i-accept-the-risk' },
          access: [{ scopes: ['orders/read'] }],
          allowInPath: ['matrixParams', 'encodedSlash'],
          allowedOrigins: ['https://partner.example'],
          cors: { preflight: 'answer' },
          methodOverride: 'both',
          routes: {
            read: { path: '/orders/items/*', methods: ['GET'], access: [{ scopes: ['orders/read'] }] },
            write: { path: '/orders/items/*', access: [{ scopes: ['orders/write'] }] },
            office: {
              path: '/orders/office',
              access: [
                {
                  emailDomains: ['example.com'],
                  identityProviders: ['COGNITO', 'Okta'],
                  clientAddresses: ['10.0.0.0/8', '127.0.0.0/8'],
                  signedInWithinSeconds: 600,
                },
              ],
            },
          },
        },
      },
      ...options.settings,
    },
  })
}
