// The chart's values.schema.json: the chart's own values from here, and `config` from the schema of the settings file.

const text = { type: 'string' }
const flag = { type: 'boolean' }
const map = { type: 'object' }
/** Kubernetes takes nothing but texts there: `"true"`, not true. */
const texts = { type: 'object', additionalProperties: text }
const maps = { type: 'array', items: { type: 'object' } }
const count = (minimum, maximum) => ({ type: 'integer', minimum, ...(maximum === undefined ? {} : { maximum }) })
const port = count(1, 65_535)
const oneOf = (...words) => ({ enum: words })
const listOf = (items) => ({ type: 'array', items })
const orNull = (schema) => ({ ...schema, type: [schema.type, 'null'] })
const strict = (properties) => ({ type: 'object', additionalProperties: false, properties })

/** Kubernetes itself checks what goes to it as it is. */
const probe = map
/** Every key is optional, but a peer where a rule belongs would say nothing, and the reverse. */
const peers = listOf(strict({ podSelector: map, namespaceSelector: map, ipBlock: map }))
const rules = (towards) => listOf(strict({ [towards]: peers, ports: maps }))
const redisRules = listOf(strict({ ...peers.items.properties, ...rules('to').items.properties }))
/** That of a Secret or ConfigMap, which may be a template. */
const objectName = { type: 'string', maxLength: 253, pattern: '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$|\\{\\{' }
const amount = { type: ['integer', 'string'], pattern: '^\\d+%?$', minimum: 0 }
const seconds = { type: 'string', pattern: '^(\\d+(ms|s|m|h))+$' }

const monitor = strict({
  enabled: flag,
  annotations: texts,
  labels: texts,
  interval: seconds,
  scrapeTimeout: seconds,
  relabelings: maps,
  metricRelabelings: maps,
})

const chartValues = {
  // Of charts that this one is a part of.
  global: map,
  enabled: flag,
  // The templates say in a sentence what is wrong with these.
  publicUrl: text,
  userPoolId: text,
  clientId: text,
  upstream: text,
  existingSecret: objectName,
  existingConfigMap: objectName,
  redis: strict({
    existingSecret: objectName,
    urlKey: text,
    host: text,
    port,
    database: count(0, 1023),
    username: text,
    passwordKey: text,
    tls: flag,
    caKey: text,
  }),
  replicas: orNull(count(0, 1000)),
  image: strict({
    registry: text,
    repository: { type: 'string', minLength: 1 },
    tag: text,
    digest: { type: 'string', pattern: '^sha256:[a-f0-9]{64}$|^$' },
    pullPolicy: oneOf('IfNotPresent', 'Always', 'Never'),
  }),
  imagePullSecrets: maps,
  check: strict({ enabled: flag }),
  extraSecrets: listOf(objectName),
  extraEnv: maps,
  extraEnvFrom: maps,
  extraVolumes: maps,
  extraVolumeMounts: maps,
  extraContainers: maps,
  extraInitContainers: maps,
  extraObjects: listOf({ type: ['object', 'string'] }),
  service: strict({
    type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer'),
    port,
    nodePort: orNull(port),
    clusterIP: text,
    annotations: texts,
    labels: texts,
    appProtocol: text,
    loadBalancerClass: text,
    loadBalancerSourceRanges: listOf(text),
    externalTrafficPolicy: oneOf('', 'Cluster', 'Local'),
    internalTrafficPolicy: oneOf('', 'Cluster', 'Local'),
    ipFamilyPolicy: oneOf('', 'SingleStack', 'PreferDualStack', 'RequireDualStack'),
    trafficDistribution: text,
  }),
  adminService: strict({ enabled: flag, annotations: texts }),
  httpRoute: strict({
    enabled: flag,
    annotations: texts,
    labels: texts,
    parentRefs: maps,
    hostnames: listOf(text),
    filters: maps,
    timeouts: map,
  }),
  ingress: strict({
    enabled: flag,
    className: text,
    annotations: texts,
    labels: texts,
    hosts: listOf(text),
    tls: maps,
  }),
  networkPolicy: strict({
    enabled: flag,
    clients: peers,
    prometheus: peers,
    forwardAuth: peers,
    dns: peers,
    cognito: peers,
    upstreams: rules('to'),
    redis: redisRules,
    extraIngress: rules('from'),
    extraEgress: rules('to'),
  }),
  autoscaling: strict({
    enabled: flag,
    minReplicas: count(1, 1000),
    maxReplicas: count(1, 1000),
    targetCPUUtilizationPercentage: orNull(count(1)),
    targetMemoryUtilizationPercentage: orNull(count(1)),
    metrics: maps,
    behavior: map,
  }),
  podDisruptionBudget: strict({
    enabled: flag,
    maxUnavailable: amount,
    minAvailable: { ...amount, type: [...amount.type, 'null'] },
  }),
  serviceMonitor: monitor,
  podMonitor: monitor,
  serviceAccount: strict({ create: flag, name: text, annotations: texts }),
  resources: map,
  podSecurityContext: map,
  securityContext: map,
  startupProbe: probe,
  livenessProbe: probe,
  readinessProbe: probe,
  terminationGracePeriodSeconds: orNull(count(0)),
  minReadySeconds: count(0),
  revisionHistoryLimit: count(0),
  strategy: map,
  topologySpreadConstraints: { type: ['array', 'null'], items: { type: 'object' } },
  nodeSelector: texts,
  tolerations: maps,
  affinity: map,
  priorityClassName: text,
  runtimeClassName: text,
  readinessGates: maps,
  hostAliases: maps,
  dnsPolicy: oneOf('', 'ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'),
  dnsConfig: map,
  nameOverride: text,
  fullnameOverride: text,
  commonLabels: texts,
  commonAnnotations: texts,
  deploymentAnnotations: texts,
  podAnnotations: texts,
  podLabels: texts,
  test: strict({
    enabled: flag,
    existingSecret: objectName,
    pool: text,
    scope: text,
    path: { type: 'string', pattern: '^/' },
    host: text,
  }),
}

/** What the chart's own values can say instead, so that `config` need not. */
const SAID_BY_VALUES = [
  [],
  ['properties', 'session'],
  ['properties', 'session', 'properties', 'redis'],
  ['properties', 'pools', 'additionalProperties'],
]

const at = (schema, path) => path.reduce((node, key) => node?.[key], schema)

/**
 * `config`, from the published schema of the settings file, as text. Texts may hold templates, which are filled in only later; what the program
 * does not support yet is no setting here.
 */
function configSchema(settingsSchema) {
  const config = JSON.parse(settingsSchema, (key, value) => {
    if (key === 'pattern' && typeof value === 'string') return `${value}|\\{\\{`
    return value?.description?.endsWith?.('Not supported yet.') ? undefined : value
  })
  for (const path of SAID_BY_VALUES) delete at(config, path)?.required
  delete config.$schema
  delete config.title
  return config
}

/** The text of values.schema.json. */
export function valuesSchema(settingsSchema) {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart of Cognito Gateway',
    ...strict({ ...chartValues, config: configSchema(settingsSchema) }),
  }
  return `${JSON.stringify(schema, null, 1)}\n`
}
