import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { loadSettings } from '../../src/config/load.ts'
import {
  chartFolder,
  examples,
  golden,
  goldenFolder,
  LEAST,
  manifestsIn,
  type Manifest,
  only,
  template,
  tool,
  toolsFolder,
  toolsMissing,
  valuesFile,
} from '../helpers/chart.ts'
import { writeCrdSchemas } from '../helpers/crd-schemas.ts'

const skip = toolsMissing
const VERSIONS = ['1.29', '1.30', '1.31', '1.32', '1.33', '1.34', '1.35', '1.36']

const folder = mkdtempSync(join(tmpdir(), 'chart-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('the chart and every worked example pass helm lint --strict', { skip }, async (t) => {
  for (const example of examples) {
    const { code, out } = await tool('helm', ['lint', '--strict', chartFolder, '--values', valuesFile(example)])
    t.equal(code, 0, `${example}: ${out}`)
  }
})

t.test('every worked example is rendered on Kubernetes 1.29 to 1.36 byte for byte as golden', { skip }, async (t) => {
  for (const version of VERSIONS) {
    for (const example of examples) {
      const { out, err } = await template('--values', valuesFile(example), '--kube-version', `${version}.0`)
      t.equal(err, '', `${example} on ${version}`)
      t.ok(
        out === golden(example),
        `${example} on ${version}: npm run generate writes it anew, git diff shows the change`,
      )
    }
  }
})

t.test('an older Kubernetes than 1.29 is refused', { skip }, async (t) => {
  t.match((await template(...LEAST, '--kube-version', '1.28.9')).err, /requires kubeVersion: >=1\.29\.0-0/)
})

const OPERATOR = ['ServiceMonitor', 'PodMonitor']

async function kubeconform(version: string, files: readonly string[]) {
  return tool('kubeconform', [
    '-strict',
    '-kubernetes-version',
    `${version}.0`,
    '-skip',
    OPERATOR.join(','),
    '-schema-location',
    join(toolsFolder, 'schemas', version, '{{.ResourceKind}}{{.KindSuffix}}.json'),
    '-schema-location',
    join(folder, 'crds', '{{.Group}}', '{{.ResourceKind}}-{{.ResourceAPIVersion}}.json'),
    ...files,
  ])
}

t.test('every object of every worked example is one that Kubernetes 1.29 to 1.36 takes', { skip }, async (t) => {
  writeCrdSchemas(join(toolsFolder, 'crds'), join(folder, 'crds'))
  const files = examples.map((example) => join(goldenFolder, `${example}.yaml`))
  for (const version of VERSIONS) {
    const { code, out } = await kubeconform(version, files)
    t.equal(code, 0, `${version}: ${out}`)
  }
  const misspelt = join(folder, 'misspelt.yaml')
  for (const [right, wrong, example] of [
    ['enableServiceLinks', 'enableServiceLink', 'one-application'],
    ['hostnames:', 'hostname:', 'gateway-api'],
    ['trustForwardHeader', 'trustForwardHeaders', 'traefik-forward-auth'],
    ['secretStoreRef', 'secretStore', 'redis'],
  ] as const) {
    writeFileSync(misspelt, golden(example).replace(right, wrong))
    t.not((await kubeconform('1.36', [misspelt])).code, 0, `${wrong} is found`)
  }
})

t.test("every monitor is one that the Prometheus operator's own types know", { skip }, async (t) => {
  const monitors = examples
    .flatMap((example) => manifestsIn(golden(example)))
    .filter(({ kind }) => OPERATOR.includes(kind))
  t.same(monitors.map(({ kind }) => kind).toSorted(), OPERATOR.toSorted())
  for (const monitor of monitors) {
    const { code, err } = await tool('strict-monitors', [], stringify(monitor))
    t.equal(code, 0, err)
    t.not((await tool('strict-monitors', [], stringify(monitor).replace('interval', 'intervall'))).code, 0)
  }
})

t.test('kube-linter finds nothing in any worked example', { skip }, async (t) => {
  // Pods are spread over zones and nodes by constraints, which it does not know as anti-affinity.
  const { code, out } = await tool('kube-linter', ['lint', '--exclude', 'no-anti-affinity', goldenFolder])
  t.equal(code, 0, out)
})

t.test('helm package makes an archive with README and schema, and without the worked examples', { skip }, async (t) => {
  const { code, err } = await tool('helm', ['package', chartFolder, '--destination', folder])
  t.equal(code, 0, err)
  const { version } = JSON.parse(readFileSync(join(chartFolder, '..', '..', 'package.json'), 'utf8')) as {
    version: string
  }
  const archive = join(folder, `cognito-gateway-${version}.tgz`)
  const { out } = await tool('helm', ['template', 'gw', archive, '--namespace', 'gateway', ...LEAST])
  t.equal(out, (await template(...LEAST)).out, 'it renders just as the folder')
  t.match((await tool('helm', ['show', 'readme', archive])).out, /^# cognito-gateway/m)
})

t.test("the chart's README is in step with its values: helm-docs", { skip }, async (t) => {
  const { out } = await tool('helm-docs', [
    '--dry-run',
    '--log-level=error',
    '--sort-values-order=file',
    '--chart-search-root',
    'helm/cognito-gateway',
  ])
  t.equal(readFileSync(join(chartFolder, 'README.md'), 'utf8'), out, 'run npm run generate')
})

const SECOND_POOL = 'config.pools.abroad.userPoolId=eu-west-1_b,config.pools.abroad.clientId=b'

const ONE_MORE_POOL = 'config.pools.home.userPoolId=eu-west-1_c,config.pools.home.clientId=c'

/** What is wrong, and a sentence by which people find it. */
const REFUSALS: readonly (readonly [string, RegExp])[] = [
  ['config.publicURL=x', /at '\/config': additional properties 'publicURL' not allowed/],
  ['config.session.idleTimeoutSeconds=soon', /at '\/config\/session\/idleTimeoutSeconds': got string, want integer/],
  ['config.session.idleTimeoutSeconds=0', /idleTimeoutSeconds': minimum: got 0, want 1/],
  ['config.session.store=memory', /at '\/config\/session\/store': value must be one of 'cookie', 'redis'/],
  ['config.pools.main.clientSecret=in-clear', /at '\/config\/pools\/main\/clientSecret': got string, want object/],
  ['config.applications.main.access=signedin', /must be one of 'public', 'optional', 'signedIn'/],
  ['config.applications.main.routes.a.path=/a,config.applications.main.routes.a.acess=x', /'acess' not allowed/],
  ['image.tagg=1', /at '\/image': additional properties 'tagg' not allowed/],
  ['image.digest=latest', /at '\/image\/digest': 'latest' does not match pattern '\^sha256:/],
  ['replica=3', /at '': additional properties 'replica' not allowed/],
  ['service.port=99999', /at '\/service\/port': maximum: got 99,999, want 65,535/],
  ['service.type=Loadbalancer', /must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'/],
  ['publicUrl=', /publicUrl is missing: give the https address that people use/],
  ['publicUrl=http://wiki.example.com', /publicUrl is http:\/\/wiki\.example\.com: it must be an https address/],
  ['userPoolId=,clientId=', /the user pool is missing: give userPoolId and clientId/],
  ['clientId=', /the user pool main is not complete: it needs both userPoolId and clientId/],
  ['userPoolId=wiki', /the id of the user pool main is wiki: it must look like eu-west-1_AbCdEfGhI/],
  ['upstream=', /the application is missing: give upstream/],
  ['upstream=wiki:8080', /the upstream of main is wiki:8080: it must be an address such as http:/],
  ['existingSecret=', /existingSecret is missing: name the Secret that holds client-secret and session-key/],
  ['existingSecret=,redis.host=r,redis.passwordKey=p,existingConfigMap=c', /redis\.existingSecret is missing/],
  ['httpRoute.enabled=true', /httpRoute\.parentRefs is missing: name the Gateway to attach to/],
  ['networkPolicy.enabled=true,config.forwardAuth.proxy=nginx', /networkPolicy\.forwardAuth is missing: say where/],
  [
    `userPoolId=,clientId=,${SECOND_POOL},${ONE_MORE_POOL}`,
    /config\.pools has abroad, home and no main: call one of them/,
  ],
  ['config.pools.7.userPoolId=eu-west-1_b,config.pools.7.clientId=b', /config\.pools\.7 must have another name/],
  ['config.outbound.proxy.env=PROXY', /additional properties 'outbound' not allowed/],
  ['config.admin.host=127.0.0.1', /config\.admin\.host is 127\.0\.0\.1: nobody reaches that from outside the pod/],
  ['config.admin.host=::1', /config\.admin\.host is ::1/],
  ['config.forwardAuth.proxy=nginx,config.forwardAuth.host=localhost', /config\.forwardAuth\.host is localhost/],
  ['publicUrl=,existingConfigMap=c,ingress.enabled=true', /ingress\.hosts is missing: the chart does not read/],
  [
    'publicUrl=,existingConfigMap=c,httpRoute.enabled=true,httpRoute.parentRefs[0].name=g',
    /httpRoute\.hostnames is missing: the chart does not read/,
  ],
  ['config.publicUrl=: {{ .Release.Name | squote }}', /config is no YAML once its templates are filled in: /],
  ['podAnnotations.a=true', /at '\/podAnnotations\/a': got boolean, want string/],
  ['nodeSelector.a=1', /at '\/nodeSelector\/a': got number, want string/],
  ['extraEnv[0].name=COGNITO_GATEWAY__ADMIN__PORT', /extraEnv has COGNITO_GATEWAY__ADMIN__PORT: the chart has to know/],
  ['extraSecrets[0]=cognito-gateway', /another Secret is at \/run\/secrets\/cognito-gateway already/],
  ['redis.urlKey=u,extraSecrets[0]=cognito-gateway-redis', /is at \/run\/secrets\/cognito-gateway-redis already/],
  ['redis.host=r,redis.urlKey=u', /redis\.host and redis\.urlKey are both given/],
  ['redis.host=r,redis.username=u', /redis\.passwordKey is missing: redis\.username needs the key/],
  ['test.existingSecret=t,test.pool=abroad', /test\.pool is abroad: config has no user pool of that name/],
  ['existingSecret=My_Secret', /at '\/existingSecret': 'My_Secret' does not match pattern/],
  ['redis.host=r,redis.existingSecret=r/s', /at '\/redis\/existingSecret': 'r\/s' does not match pattern/],
  ['extraSecrets[0]=Wiki', /at '\/extraSecrets\/0': 'Wiki' does not match pattern/],
  ['existingConfigMap=mine_', /at '\/existingConfigMap': 'mine_' does not match pattern/],
  ['test.existingSecret=T', /at '\/test\/existingSecret': 'T' does not match pattern/],
  ['config.session.store=redis', /config\.session\.store is redis, and no Redis is given: give redis\.urlKey/],
  ['redis.host=rediss://r', /redis\.host is rediss:\/\/r: it must be a host alone/],
  ['redis.host=r:6379', /redis\.host is r:6379: it must be a host alone/],
  [
    'redis.existingSecret=r',
    /redis\.host is missing: redis\.existingSecret says nothing without it; or give redis\.urlKey/,
  ],
  ['redis.passwordKey=p', /redis\.host is missing: redis\.passwordKey says nothing without it/],
  ['redis.caKey=c', /redis\.host is missing: redis\.caKey says nothing without it/],
  [
    'redis.urlKey=u,redis.passwordKey=p',
    /redis\.passwordKey says nothing without it, and redis\.urlKey holds the whole/,
  ],
  ['config.admin.port=8080', /config\.admin\.port is 8080, and so is config\.listen\.port/],
  [
    'config.listen.port=9092,config.forwardAuth.proxy=nginx',
    /config\.forwardAuth\.port is 9092, and so is config\.listen/,
  ],
  ['config.listen.port=443', /config\.listen\.port is 443: the gateway's user may listen from 1024 on only/],
  [
    'config.applications.main.routes.a.path=a',
    /at '\/config\/applications\/main\/routes\/a\/path': 'a' does not match/,
  ],
  ['networkPolicy.upstreams[0].ipBlock.cidr=10.0.0.0/8', /upstreams\/0': additional properties 'ipBlock' not allowed/],
  ['networkPolicy.extraEgress[0].podSelector.a=b', /extraEgress\/0': additional properties 'podSelector' not allowed/],
  ['networkPolicy.extraIngress[0].to[0].ipBlock.cidr=10.0.0.0/8', /extraIngress\/0': additional properties 'to' not/],
  ['networkPolicy.clients[0].from[0].ipBlock.cidr=10.0.0.0/8', /clients\/0': additional properties 'from' not allowed/],
  [
    'terminationGracePeriodSeconds=39',
    /terminationGracePeriodSeconds is 39: config\.shutdown gives the gateway 40 seconds/,
  ],
  [
    'autoscaling.enabled=true,autoscaling.maxReplicas=1',
    /autoscaling\.minReplicas is 2: it must not be above maxReplicas, 1/,
  ],
  ['upstream=unix:app.sock', /the upstream of main is unix:app\.sock: it must be an address such as/],
  ['publicUrl=https://wiki.example.com/wiki', /publicUrl is https:\/\/wiki\.example\.com\/wiki: it must be an https/],
  ['serviceMonitor.enabled=true,adminService.enabled=false', /serviceMonitor needs adminService\.enabled/],
]

t.test('wrong values are refused in a sentence that names the place', { skip }, async (t) => {
  const waiting = REFUSALS.values()
  const refuse = async () => {
    for (const [value, says] of waiting) {
      const { code, err } = await template(...LEAST, '--set', value)
      t.not(code, 0, value)
      t.match(err, says, value)
    }
  }
  await Promise.all([refuse(), refuse(), refuse()])
})

t.test('a chart that this one is a part of may give global and enabled', { skip }, async (t) => {
  const { err, out } = await template(...LEAST, '--set', 'enabled=true,global.imageRegistry=registry.example.com')
  t.equal(err, '')
  t.match(out, 'image: registry.example.com/cognito-gateway:')
})

t.test('every value has a default and a schema', async (t) => {
  const values = parse(readFileSync(join(chartFolder, 'values.yaml'), 'utf8')) as Record<string, unknown>
  const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as { properties: object }
  t.same(Object.keys(schema.properties).toSorted(), [...Object.keys(values), 'enabled', 'global'].toSorted())
})

const deployment = async (...values: readonly string[]) => {
  const { out, err } = await template(...LEAST, ...values)
  if (err !== '') throw new Error(err)
  return manifestsIn(out)
}

const settingsIn = (manifests: readonly Manifest[]): Readonly<Record<string, any>> =>
  parse(only(manifests, 'ConfigMap')['data']['gateway.yaml']) as Record<string, any>

t.test('a pod is given the time to drain and to end what it does, and five seconds more', { skip }, async (t) => {
  const graceOf = async (...values: readonly string[]) =>
    only(await deployment(...values), 'Deployment')['spec'].template.spec.terminationGracePeriodSeconds as number
  t.equal(await graceOf(), 45)
  t.equal(await graceOf('--set', 'config.shutdown.drainDelaySeconds=0,config.shutdown.shutdownTimeoutSeconds=120'), 125)
  t.equal(await graceOf('--set', 'terminationGracePeriodSeconds=40'), 40)
  t.equal(only(manifestsIn(golden('alb')), 'Deployment')['spec'].template.spec.terminationGracePeriodSeconds, 95)
})

t.test('the chart names the version of the program that it installs', async (t) => {
  const { version } = JSON.parse(readFileSync(join(chartFolder, '..', '..', 'package.json'), 'utf8')) as {
    version: string
  }
  t.match(readFileSync(join(chartFolder, 'Chart.yaml'), 'utf8'), `appVersion: ${version}\n`)
})

t.test('an image is named by its digest, a registry of its own, or that of the whole', { skip }, async (t) => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`
  const imageOf = async (values: string) =>
    only(await deployment('--set', values), 'Deployment')['spec'].template.spec.containers[0].image as string
  t.equal(
    await imageOf(`image.registry=one.example.com,image.digest=${digest}`),
    `one.example.com/cognito-gateway@${digest}`,
  )
  t.equal(
    await imageOf('image.registry=one.example.com,global.imageRegistry=all.example.com,image.tag=v2'),
    'all.example.com/cognito-gateway:v2',
  )
  t.equal(
    await imageOf('image.registry=one.example.com,global.imageRegistry=,image.tag=v2'),
    'one.example.com/cognito-gateway:v2',
  )
  const pulled = await deployment('--set', 'imagePullSecrets[0].name=a,global.imagePullSecrets={b,a}')
  for (const pod of [only(pulled, 'Deployment')['spec'].template.spec, only(pulled, 'Pod')['spec']])
    t.same(pod.imagePullSecrets, [{ name: 'b' }, { name: 'a' }])
})

t.test('the address of Redis comes out of a Secret, whole or but for its password', { skip }, async (t) => {
  const of = async (values: string) => {
    const manifests = await deployment('--set', values)
    const [container] = only(manifests, 'Deployment')['spec'].template.spec.containers
    return { redis: settingsIn(manifests)['session'].redis as object, env: container.env as object[] | undefined }
  }
  t.same(await of('redis.existingSecret=r,redis.urlKey=url'), {
    redis: { url: { file: '/run/secrets/cognito-gateway-redis/url' } },
    env: undefined,
  })
  t.same(await of('redis.existingSecret=r,redis.host=redis,redis.tls=false,redis.username=me,redis.passwordKey=p'), {
    redis: { url: { env: 'REDIS_URL' } },
    env: [
      { name: 'REDIS_PASSWORD', valueFrom: { secretKeyRef: { name: 'r', key: 'p' } } },
      { name: 'REDIS_URL', value: 'redis://me:$(REDIS_PASSWORD)@redis:6379/0' },
    ],
  })
})

t.test('what config says goes over what the chart says, and may be a template', { skip }, async (t) => {
  const values = ['access=public', 'upstream=http://{{ .Release.Name }}-wiki:80'].map(
    (one) => `config.applications.main.${one}`,
  )
  const { out } = await template(...LEAST, '--set', values.join(','))
  const settings = parse(only(manifestsIn(out), 'ConfigMap')['data']['gateway.yaml']) as { applications: object }
  t.same(settings.applications, { main: { access: 'public', upstream: 'http://gw-wiki:80' } })
})

t.test('the pool main stays the default and keeps its callback, whatever others are called', { skip }, async (t) => {
  const manifests = await deployment('--set', [SECOND_POOL, ONE_MORE_POOL].join(','))
  const file = join(folder, 'pools.yaml')
  writeFileSync(file, only(manifests, 'ConfigMap')['data']['gateway.yaml'])
  const { pools, applications } = loadSettings({ file, environment: {}, rulesOnly: true }).settings
  t.same(
    pools.map(({ name, callback }) => [name, callback]),
    [
      ['main', '/oauth2/callback'],
      ['abroad', '/oauth2/callback/abroad'],
      ['home', '/oauth2/callback/home'],
    ],
  )
  t.equal(applications[0]?.pool, 'main')
})

t.test('where config says where a secret is, the chart does not say it too', { skip }, async (t) => {
  const given = 'config.pools.main.clientSecret.env=CLIENT_SECRET,config.session.redis.url.env=R,redis.urlKey=url'
  const { pools, session } = settingsIn(await deployment('--set', given))
  t.same(pools.main.clientSecret, { env: 'CLIENT_SECRET' })
  t.same(session.redis, { url: { env: 'R' } })
})

t.test('an application may be at a socket, and publicUrl may end with a slash', { skip }, async (t) => {
  const given = 'publicUrl=https://wiki.example.com/,upstream=unix:/run/app/app.sock,networkPolicy.enabled=true'
  const manifests = await deployment('--set', `${given},ingress.enabled=true`)
  t.equal(settingsIn(manifests)['applications'].main.upstream, 'unix:/run/app/app.sock')
  t.equal(only(manifests, 'Ingress')['spec'].rules[0].host, 'wiki.example.com')
  const dnsAndCognito = 2
  t.equal(only(manifests, 'NetworkPolicy')['spec'].egress.length, dnsAndCognito, 'no pod needs to be reached')
  const file = join(folder, 'socket.yaml')
  writeFileSync(file, only(manifests, 'ConfigMap')['data']['gateway.yaml'])
  t.equal(loadSettings({ file, environment: {}, rulesOnly: true }).settings.publicUrl, 'https://wiki.example.com')
  t.same((await deployment('--set', 'upstream=unix:/run/app/app.sock:/wiki')).length, (await deployment()).length)
})

t.test('what the pod asks about itself is reached from outside', { skip }, async (t) => {
  const settings = settingsIn(await deployment('--set', 'config.forwardAuth.proxy=nginx'))
  t.same(settings['forwardAuth'], { host: '0.0.0.0', proxy: 'nginx' })
  t.same(settings['admin'], { host: '0.0.0.0' })
})

t.test('what else starts first, starts before the check of the settings', { skip }, async (t) => {
  const pod = only(await deployment('--set', 'extraInitContainers[0].name=fetch'), 'Deployment')['spec'].template.spec
  t.same(
    pod.initContainers.map(({ name }: { name: string }) => name),
    ['fetch', 'check'],
  )
  const sidecar = only(manifestsIn(golden('sidecar')), 'Deployment')['spec'].template.spec
  t.match(sidecar.initContainers[0], { name: 'wiki', restartPolicy: 'Always' }, 'it outlives the draining gateway')
})

t.test('the check knows of as many replicas as there may ever be', { skip }, async (t) => {
  const of = async (...values: readonly string[]) => {
    const { spec } = only(await deployment(...values), 'Deployment') as Manifest & { spec: any }
    return [spec.replicas as unknown, spec.template.spec.initContainers[0].args.at(-1) as unknown]
  }
  t.same(await of(), [2, '2'])
  t.same(await of('--set', 'replicas=0'), [0, '1'])
  t.same(await of('--set', 'replicas=null'), [undefined, '1'])
  t.same(await of('--set', 'autoscaling.enabled=true'), [undefined, '10'])
})

t.test('a Deployment that is replaced at once has no times of a rolling update', { skip }, async (t) => {
  const { strategy } = only(await deployment('--set', 'strategy.type=Recreate'), 'Deployment')['spec']
  t.same(strategy, { type: 'Recreate' })
  t.same(only(await deployment('--set', 'strategy=null'), 'Deployment')['spec'].strategy, {})
})

t.test('a Secret of any name is mounted and named as a text', { skip }, async (t) => {
  const long = `${'a'.repeat(70)}.example.com`
  const names = ['--set-string', `extraSecrets[0]=${long},extraSecrets[1]=cognito-gateway-redis,existingSecret=1`]
  const pod = only(await deployment(...names), 'Deployment')['spec'].template.spec
  const secrets = pod.volumes.flatMap(({ name, secret }: any) => (secret ? [[name, secret.secretName]] : []))
  t.same(secrets, [
    ['secrets', '1'],
    ['secret-0', long],
    ['secret-1', 'cognito-gateway-redis'],
  ])
  t.match(pod.containers[0].volumeMounts.slice(2), [{ name: 'secret-0', mountPath: `/run/secrets/${long}` }])
})

t.test('helm test asks the pool that it is told, and knows the prefix', { skip }, async (t) => {
  const envOf = async (values: string) => {
    const given = `${SECOND_POOL},test.existingSecret=t,config.endpoints.ping=/oauth2/health/ping,${values}`
    const env = only(await deployment('--set', given), 'Pod')['spec'].containers[0].env as { name: string }[]
    return Object.fromEntries(env.map(({ name, ...rest }) => [name, (rest as { value?: string }).value]))
  }
  const first = await envOf('test.pool=')
  t.match(first, { PREFIX: '/oauth2', PING_PATH: '/oauth2/health/ping', ISSUER: /eu-west-1_AbCdEfGhI$/ })
  t.match(await envOf('test.pool=abroad'), { ISSUER: /eu-west-1_b$/ })
})

/** What Helm prints at the end. */
async function notesOf(...values: readonly string[]): Promise<string> {
  const notes = join(folder, 'notes.yaml')
  const object = '{ kind: Notes, metadata: { name: notes }, text: {{ include "cognito-gateway.notes" . | toJson }} }'
  writeFileSync(notes, stringify({ extraObjects: [object] }))
  return only(await deployment(...values, '--values', notes), 'Notes')['text'] as string
}

t.test('what Helm prints names one callback for each pool, or for each of its hosts', { skip }, async (t) => {
  const address = String.raw`\n +Allowed callback URL +https://wiki\.example\.com/oauth2/callback`
  const one = await notesOf()
  t.match(one, new RegExp(String.raw`at the app client, letter by letter:${address}\n`))
  t.match(one, 'logs -l app.kubernetes.io/instance=gw,app.kubernetes.io/component=gateway -c check --prefix --tail=-1')
  const two = await notesOf('--set', SECOND_POOL)
  t.match(two, new RegExp(String.raw`of the pool main, letter by letter:${address}\n`))
  t.match(two, new RegExp(String.raw`of the pool abroad:${address}/abroad\n`))

  const eachHost = ['config.endpoints.callbackOn=eachHost', 'publicUrl=https://wiki.example.com:8443']
  const application = (pool: string, hosts: readonly string[]) => ({
    pool,
    hosts,
    upstream: 'http://a',
    access: 'signedIn',
  })
  const values = join(folder, 'each-host.yaml')
  const applications = {
    shop: application('abroad', ['shop.example.com', 'till.example.com']),
    stock: { ...application('abroad', ['shop.example.com']), path: '/stock' },
  }
  writeFileSync(values, stringify({ config: { applications } }))
  const each = await notesOf('--values', values, '--set', [SECOND_POOL, ...eachHost].join(','))
  const [, main = '', abroad = ''] = each.split('of the pool ')
  const callbacks = (text: string) => [...text.matchAll(/callback URL +(\S+)/g)].map(([, url]) => url)
  const signOuts = (text: string) => [...text.matchAll(/sign-out URL +(\S+)/g)].map(([, url]) => url)
  t.same(
    callbacks(abroad),
    ['shop', 'till'].map((host) => `https://${host}.example.com:8443/oauth2/callback/abroad`),
  )
  t.same(
    signOuts(abroad),
    ['shop', 'till'].map((host) => `https://${host}.example.com:8443/oauth2/signed_out`),
  )
  t.same(callbacks(main), ['https://wiki.example.com:8443/oauth2/callback'])
  const unused = await notesOf(
    '--set',
    ['config.pools.none.userPoolId=eu-west-1_b,config.pools.none.clientId=b', ...eachHost].join(','),
  )
  t.match(unused, /of the pool none:\n +none: it has no host on which people sign in\n/)
})

t.test('what Helm prints names what pods wait for: Secrets with their keys, and the image', { skip }, async (t) => {
  const least = await notesOf()
  t.match(least, 'kubectl -n gateway describe pod -l app.kubernetes.io/instance=gw,app.kubernetes.io/component=gateway')
  t.match(least, /must be in gateway:\n +the Secret gateway with the keys client-secret, session-key\n/)
  t.match(least, /The image is cognito-gateway:\S+ without a registry, and none of that name is published/)
  const redis = 'redis.existingSecret=r,redis.host=redis,redis.passwordKey=password,redis.caKey=ca.crt'
  const password = 'config.applications.main.identity.basic.password.file=/run/secrets/wiki.password/one'
  const more = await notesOf('--set', `image.registry=r.example.com,extraSecrets={wiki.password},${password},${redis}`)
  t.match(more, /\n +the Secret r with the keys ca\.crt, password\n +the Secret wiki\.password with the key one\n/)
  t.notMatch(more, 'is published')
  const own = await notesOf('--set', `existingConfigMap=mine,extraSecrets={more}`)
  t.match(own, /the ConfigMap mine with the key gateway\.yaml\n +the Secret gateway\n +the Secret more\n/)
})

t.test('what Helm prints warns of several replicas without Redis', { skip }, async (t) => {
  t.match(await notesOf(), /With 2 replicas and without redis a sign-out is known to one of them only/)
  t.match(await notesOf('--set', 'autoscaling.enabled=true'), /With 10 replicas and without redis/)
  for (const fine of ['replicas=1', 'redis.urlKey=url', 'config.session.redis.url.env=R', 'existingConfigMap=mine'])
    t.notMatch(await notesOf('--set', fine), 'without redis', fine)
})

t.test('what Helm prints tells the way to it, by what is in front', { skip }, async (t) => {
  const asked = await notesOf('--values', valuesFile('traefik-forward-auth'))
  t.match(
    asked,
    /3\. In traefik, send https:\/\/wiki\.example\.com\/oauth2\/ to the Service gw-cognito-gateway, port 80,/,
  )
  t.match(asked, /traefik asks at the Service gw-cognito-gateway-forward-auth, port 9092, who may pass/)
  t.notMatch(asked, 'with TLS in front of it')
  t.match(await notesOf(), /3\. Send https:\/\/wiki\.example\.com to the Service gw-cognito-gateway, port 80, with TLS/)
  t.match(await notesOf('--set', 'ingress.enabled=true'), /3\. Point the names wiki\.example\.com at your ingress/)
  const tried = await notesOf('--set', 'publicUrl=http://localhost:8080/')
  t.match(tried, /kubectl -n gateway port-forward service\/gw-cognito-gateway 8080:80\n/)
  t.match(tried, /callback URL +http:\/\/localhost:8080\/oauth2\/callback\n/)
})

t.test('an own ConfigMap takes the place of the settings', { skip }, async (t) => {
  const { out } = await template('--set', 'existingConfigMap=mine')
  const manifests = manifestsIn(out)
  t.notOk(manifests.some(({ kind }) => kind === 'ConfigMap'))
  t.notOk(
    manifests.some(({ kind }) => kind === 'Pod'),
    'there is no host that helm test could ask',
  )
  t.match(only(manifests, 'Deployment')['spec'].template.spec.volumes, [
    { name: 'config', configMap: { name: 'mine' } },
  ])
})

t.test('there is a disruption budget above one replica only', { skip }, async (t) => {
  const budgets = async (...values: readonly string[]) =>
    (await deployment(...values)).filter(({ kind }) => kind === 'PodDisruptionBudget').length
  t.equal(await budgets(), 1)
  t.equal(await budgets('--set', 'replicas=1'), 0)
  t.equal(await budgets('--set', 'replicas=1,autoscaling.enabled=true'), 1)
  t.equal(await budgets('--set', 'autoscaling.enabled=true,autoscaling.minReplicas=1'), 0)
})

const policyOf = async (...values: readonly string[]) =>
  only(await deployment('--set', 'networkPolicy.enabled=true', ...values), 'NetworkPolicy')['spec']

t.test('an empty list of the network policy lets nobody through', { skip }, async (t) => {
  for (const empty of ['[]', 'null']) {
    const lists = ['prometheus', 'dns', 'cognito']
    const policy = await policyOf(...lists.flatMap((list) => ['--set-json', `networkPolicy.${list}=${empty}`]))
    t.same(policy.ingress, [{ ports: [{ port: 'http', protocol: 'TCP' }] }], empty)
    t.same(policy.egress, [{ to: [{ namespaceSelector: {} }] }], empty)
  }
})

t.test('the network policy lets the gateway to its Redis, however that is given', { skip }, async (t) => {
  const rulesFor = async (...values: readonly string[]) => (await policyOf(...values)).egress.slice(3) as object[]
  const peer = { podSelector: { matchLabels: { app: 'redis' } } }
  const rule = { to: [peer], ports: [{ port: 26_379, protocol: 'TCP' }] }
  const port = { port: 6379, protocol: 'TCP' }
  const given = (...redis: readonly object[]) => ['--set-json', `networkPolicy.redis=${JSON.stringify(redis)}`]
  t.same(await rulesFor(), [])
  t.same(await rulesFor('--set', 'redis.urlKey=url'), [{ ports: [port] }])
  const byConfig = ['--set', 'config.session.redis.url.env=REDIS']
  t.same(await rulesFor(...byConfig), [{ ports: [port] }])
  t.same(await rulesFor(...byConfig, ...given(peer)), [{ ports: [port], to: [peer] }])
  t.same(await rulesFor(...byConfig, ...given(rule)), [rule])
  t.same(await rulesFor(...byConfig, ...given(peer, rule)), [rule, { ports: [port], to: [peer] }])
})

t.test('the public Service and what leads to it never reach the admin port', async (t) => {
  for (const example of examples) {
    const manifests = manifestsIn(golden(example))
    t.same(
      only(manifests, 'Service', /gateway$/)['spec'].ports.map(({ targetPort }: { targetPort: string }) => targetPort),
      ['http'],
      example,
    )
    t.same(
      manifests
        .flatMap(({ kind, ...rest }) => (/Route$|^Ingress$/.test(kind) ? JSON.stringify(rest) : []))
        .join('')
        .match(/admin/),
      null,
      example,
    )
  }
})

t.test(
  'H25 H27 Traefik in the cluster takes out and lets through what the example without a cluster does',
  async (t) => {
    const file = join(chartFolder, '..', '..', 'config', 'examples', 'traefik.yaml')
    const { http } = parse(readFileSync(file, 'utf8')) as Record<string, any>
    const manifests = manifestsIn(golden('traefik-forward-auth'))
    for (const name of ['nobody-says', 'no-upgrade', 'websocket'])
      t.same(only(manifests, 'Middleware', new RegExp(`^${name}$`))['spec'], http.middlewares[name], name)
    const { address: _own, ...asked } = only(manifests, 'Middleware', /^cognito-gateway$/)['spec'].forwardAuth
    const { address: _other, ...wanted } = http.middlewares.gateway.forwardAuth
    t.same(asked, wanted)
    const routes = only(manifests, 'IngressRoute')['spec'].routes as any[]
    t.same(
      routes.map(({ match, priority, middlewares = [] }) => [
        match.replace('wiki.', 'apps.'),
        priority,
        middlewares.map(({ name }: { name: string }) => name.replace('cognito-', '')),
      ]),
      Object.values<any>(http.routers).map(({ rule, priority, middlewares = [] }) => [rule, priority, middlewares]),
    )
  },
)

interface Container {
  readonly name: string
  readonly securityContext?: Readonly<Record<string, unknown>>
}

t.test('every pod is one that Pod Security admits at its level restricted', async (t) => {
  for (const example of examples) {
    const pods = manifestsIn(golden(example)).flatMap(({ kind, spec }) =>
      kind === 'Deployment' ? [spec.template.spec] : kind === 'Pod' ? [spec] : [],
    )
    t.equal(pods.length, 2, `${example}: the gateway and the test`)
    for (const pod of pods) {
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers']) t.notOk(pod[key], key)
      t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }, example)
      t.not(pod.securityContext.runAsUser, 0)
      for (const volume of pod.volumes ?? [])
        t.match(
          Object.keys(volume).toSorted().join(' '),
          /^(configMap name|emptyDir name|name secret)$/,
          `${example}: ${volume.name}`,
        )
      for (const container of [...(pod.initContainers ?? []), ...pod.containers] as readonly Container[]) {
        const wanted = {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        }
        t.match(container.securityContext, wanted, `${example}: ${container.name}`)
        t.not(container.securityContext?.['privileged'], true)
        t.not(container.securityContext?.['runAsUser'], 0)
      }
    }
  }
})

t.test('the settings of every worked example have no fault', async (t) => {
  for (const example of examples) {
    const file = join(folder, `${example}.yaml`)
    writeFileSync(file, only(manifestsIn(golden(example)), 'ConfigMap')['data']['gateway.yaml'])
    // Their secrets are in no file of this machine.
    t.doesNotThrow(() => loadSettings({ file, environment: {}, rulesOnly: true }), example)
  }
})

t.test('the chart makes no Secret, and the pods get no credentials of Kubernetes', async (t) => {
  for (const example of examples) {
    for (const { kind, ...rest } of manifestsIn(golden(example))) {
      t.not(kind, 'Secret', example)
      const pod = kind === 'Deployment' ? rest['spec'].template.spec : kind === 'Pod' ? rest['spec'] : undefined
      if (pod !== undefined) t.equal(pod.automountServiceAccountToken, false, example)
      if (kind === 'ServiceAccount') t.equal(rest['automountServiceAccountToken'], false, example)
    }
  }
})
