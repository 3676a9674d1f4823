// What `helm test` runs in the gateway's image: the gateway serves, sends people to sign in, and lets a machine through to an application.
import { request as http } from 'node:http'
import { request as https } from 'node:https'

const { GATEWAY_URL, GATEWAY_HOST, PREFIX, PING_PATH, TEST_PATH, ISSUER, SCOPE, CLIENT_ID, CLIENT_SECRET } = process.env

/** Asks the gateway inside the cluster for what people ask its public host for. Its certificate names that host, not the Service. */
function ask(path, headers) {
  const url = new URL(path, GATEWAY_URL)
  const options = { headers: { host: GATEWAY_HOST, ...headers }, servername: GATEWAY_HOST, timeout: 10_000 }
  return new Promise((resolve, reject) => {
    const sent = (url.protocol === 'https:' ? https : http)(url, options, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, headers: answer.headers, code: answer.headers['x-gateway-code'] })
    })
    sent.on('timeout', () => sent.destroy(new Error(`${url} did not answer within 10 s`)))
    sent.on('error', reject)
    sent.end()
  })
}

async function answerOf(url, options) {
  const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(10_000) })
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
  return answer.json()
}

/** An access token of the machine, by client_credentials. */
async function signIn() {
  const { token_endpoint: tokenEndpoint } = await answerOf(`${ISSUER}/.well-known/openid-configuration`)
  const login = Buffer.from(`${encodeURIComponent(CLIENT_ID)}:${encodeURIComponent(CLIENT_SECRET)}`).toString('base64')
  const { access_token: token } = await answerOf(tokenEndpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${login}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...(SCOPE ? { scope: SCOPE } : {}) }),
  })
  return token
}

function expect(what, holds, { status, code }) {
  const said = `status ${status}${code ? `, ${code}` : ''}`
  if (!holds) throw new Error(`${what}: no (${said})`)
  console.log(`ok: ${what} (${said})`)
}

try {
  const ping = await ask(PING_PATH)
  expect('the gateway serves', ping.status === 200, ping)
  const start = await ask(`${PREFIX}/start?rd=/`)
  expect('it sends people to sign in', start.status === 302 && start.headers.location !== undefined, start)
  if (CLIENT_ID) {
    const reached = await ask(TEST_PATH, { authorization: `Bearer ${await signIn()}` })
    // Whatever the gateway answers itself carries its code.
    expect(
      `a machine reaches an application at ${TEST_PATH}`,
      reached.code === undefined && reached.status < 500,
      reached,
    )
  } else {
    console.log('left out: a machine reaches an application (test.existingSecret names no app client)')
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
