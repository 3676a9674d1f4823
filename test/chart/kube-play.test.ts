import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { manifestsIn, only, template, toolsMissing, type Manifest } from '../helpers/chart.ts'
import { IMAGE, podman, podmanEnvironment, prepareImage } from '../helpers/podman.ts'
import { runProgram } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'
import { CLIENT_ID, CLIENT_SECRET, freePort, startWorld, type World } from '../helpers/world.ts'

type Tap = Parameters<typeof startWorld>[0]

const skip = toolsMissing === false ? prepareImage() : toolsMissing

/**
 * On the network of the test, where podman maps no ports; without a kubelet to look at the probes; and without restarts, which podman 4 does to
 * init containers that are done. All else is as the chart renders it.
 */
function played(manifests: readonly Manifest[]): string {
  for (const { kind, spec } of manifests) {
    const pod = kind === 'Deployment' ? spec.template.spec : kind === 'Pod' ? spec : undefined
    if (pod === undefined) continue
    pod.hostNetwork = true
    pod.restartPolicy = 'Never'
    for (const key of ['startupProbe', 'livenessProbe', 'readinessProbe', 'ports']) delete pod.containers[0][key]
  }
  return manifests.map((one) => stringify(one)).join('---\n')
}

/** The values of an installation in front of the application of a world, by its pool. */
function valuesFor(world: World, adminPort: number) {
  const [repository, tag] = IMAGE.split(':')
  return {
    publicUrl: world.url,
    userPoolId: world.pool.userPoolId,
    clientId: CLIENT_ID,
    upstream: world.application.url,
    // Several checkouts may be tested on one machine.
    fullnameOverride: `gateway-${world.port}`,
    existingSecret: `secret-${world.port}`,
    replicas: 1,
    image: { repository, tag, pullPolicy: 'Never' },
    config: {
      listen: { host: '127.0.0.1', port: world.port },
      admin: { port: adminPort },
      pools: { main: { issuer: world.pool.issuer, bearerClients: ['orders-batch'] } },
      applications: {
        main: { routes: { orders: { path: '/api/orders/*', access: [{ scopes: ['orders/read'] }] } } },
      },
      shutdown: { drainDelaySeconds: 0, shutdownTimeoutSeconds: 2 },
    },
    test: { existingSecret: `machine-${world.port}`, path: '/api/orders/1' },
  }
}

/** A Secret with this content, which is what podman 4 makes of a Secret for the purpose: it knows one form for files and one for variables. */
function createSecret(t: Tap, name: string, content: object, folder: string): void {
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 })
  t.teardown(() => podman('secret', 'rm', name))
  const { status, err } = podman('secret', 'create', name, file)
  if (status !== 0) throw new Error(err)
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function play(t: Tap, file: string, manifests: readonly Manifest[]): void {
  writeFileSync(file, played(manifests))
  t.teardown(() => podman('kube', 'down', file))
  const { status, err } = podman('kube', 'play', file)
  if (status === 0) return
  const pods = manifests.map(({ metadata }) => podman('pod', 'logs', `${metadata.name}-pod-0`))
  throw new Error([err, ...pods.map(({ out, err }) => out + err)].join('\n'))
}

t.test('the rendered Deployment, ConfigMap and Secret serve a journey, and helm test says so', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kube-play-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const world = await startWorld(t)
  await world.gateway.close()
  const adminPort = await freePort()
  const values = valuesFor(world, adminPort)
  writeFileSync(join(folder, 'values.yaml'), stringify(values))
  const { out, err } = await template('--values', join(folder, 'values.yaml'))
  t.equal(err, '')
  const manifests = manifestsIn(out)

  const sessionKey = randomBytes(32).toString('base64url')
  const secrets = { 'client-secret': CLIENT_SECRET, 'session-key': sessionKey }
  createSecret(t, values.existingSecret, { apiVersion: 'v1', kind: 'Secret', data: secrets }, folder)
  play(t, join(folder, 'gateway.yaml'), [only(manifests, 'ConfigMap'), only(manifests, 'Deployment')])
  await until(async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined))?.status === 200)
  t.equal((await world.client().signIn(`${world.url}/reports`)).status, 200, 'a person signs in')
  t.equal(world.application.last().headers['x-forwarded-email'], 'alice@example.com', 'and reaches the application')
  t.equal((await world.client().ask(`${world.url}/api/orders/1`)).status, 401, 'nobody else does')

  const test = only(manifests, 'Pod')
  // There is no Service, and nobody who knows its name.
  test['spec'].containers[0].env.find(({ name }: { name: string }) => name === 'GATEWAY_URL').value = world.url
  const machine = { 'client-id': base64('orders-batch'), 'client-secret': base64('orders-batch-secret') }
  createSecret(t, values.test.existingSecret, machine, folder)
  play(t, join(folder, 'test.yaml'), [test])
  const container = `${test.metadata.name}-test`
  // The pool is in this process, which must not wait idly.
  const waiting = runProgram(t, ['podman', 'wait', container], podmanEnvironment())
  await waiting.ended
  t.equal(waiting.out().trim(), '0', podman('logs', container).err)
  t.equal(world.application.last().url, '/api/orders/1', 'a machine reaches the application')
})
