import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { PoolControls } from './pool-controls.ts'
import { Fault } from './pool-faults.ts'
import type { UserPool } from './user-pool.ts'

const UserChangesBody = z.strictObject({
  password: z.string().min(1).optional(),
  sub: z.string().min(1).optional(),
  groups: z.array(z.string()).optional(),
  attributes: z.record(z.string(), z.string().nullable()).optional(),
  enabled: z.boolean().optional(),
})

const ClientChangesBody = z.strictObject({
  accessTokenSeconds: z.int().min(1).optional(),
  idTokenSeconds: z.int().min(1).optional(),
  refreshTokenSeconds: z.int().min(1).optional(),
  rotation: z
    .strictObject({ graceSeconds: z.int().min(0).max(60) })
    .nullable()
    .optional(),
})

const LargeClaimsBody = z.strictObject({
  groups: z.int().min(0).max(10_000).optional(),
  attributes: z.int().min(0).max(50).optional(),
  attributeBytes: z.int().min(1).max(2048).optional(),
})

const TokenOrderBody = z.strictObject({
  clientId: z.string(),
  username: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  nonce: z.string().optional(),
  authTime: z.int().optional(),
})

const NamedUser = z.object({ username: z.string() })

/**
 * The controls over HTTP, for tests in other languages and for trying things out. Every change takes JSON,
 * which a page of another origin cannot send without asking first; and nobody answers its question.
 */
export function addControlApi(app: FastifyInstance, pool: UserPool, controls: PoolControls): void {
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler((error, _request, reply) => {
    const wrong =
      error instanceof z.ZodError ? error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) : undefined
    const message = error instanceof Error ? error.message : String(error)
    return reply.code(400).send({ message: wrong?.join('; ') ?? message })
  })

  app.get('/_pool/', async () => ({
    userPoolId: pool.id,
    issuer: pool.issuer,
    now: controls.now(),
    users: pool.users.names(),
    clients: pool.settings.clients.map(({ id }) => id),
    faults: controls.faults,
    calls: controls.calls,
  }))
  app.get('/_pool/calls', async () => controls.calls)
  app.get('/_pool/token-requests', async () => controls.tokenRequests)
  app.get('/_pool/faults', async () => controls.faults)
  addFaultRoutes(app, controls)
  addChangeRoutes(app, controls)
}

function addFaultRoutes(app: FastifyInstance, controls: PoolControls): void {
  app.post('/_pool/faults', async (request, reply) => {
    const faults = z.array(Fault).parse([request.body].flat())
    controls.faults.push(...faults)
    return reply.code(204).send()
  })
  app.delete('/_pool/faults', async (_request, reply) => {
    controls.faults.length = 0
    return reply.code(204).send()
  })
  app.post('/_pool/drop-state', async (request, reply) => {
    const { times } = z.strictObject({ times: z.int().min(1).default(1) }).parse(request.body)
    controls.dropState(times)
    return reply.code(204).send()
  })
}

function addChangeRoutes(app: FastifyInstance, controls: PoolControls): void {
  app.post('/_pool/rotate-keys', async (request, reply) => {
    const { keep } = z.strictObject({ keep: z.boolean().default(true) }).parse(request.body)
    await controls.rotateKeys({ keep })
    return reply.code(204).send()
  })
  app.post('/_pool/clock', async (request, reply) => {
    const { advanceMs } = z.strictObject({ advanceMs: z.int() }).parse(request.body)
    controls.advanceClock(advanceMs)
    return reply.send({ now: controls.now() })
  })
  app.put('/_pool/large-claims', async (request, reply) => {
    controls.largeClaims = withoutUndefined(LargeClaimsBody.parse(request.body))
    return reply.code(204).send()
  })
  app.patch('/_pool/users/:username', async (request, reply) => {
    const { username } = NamedUser.parse(request.params)
    controls.setUser(username, withoutUndefined(UserChangesBody.parse(request.body)))
    return reply.code(204).send()
  })
  app.patch('/_pool/clients/:id', async (request, reply) => {
    const { id } = z.object({ id: z.string() }).parse(request.params)
    const { rotation, ...changes } = withoutUndefined(ClientChangesBody.parse(request.body))
    controls.setClient(id, rotation === undefined ? changes : { ...changes, rotation: rotation ?? undefined })
    return reply.code(204).send()
  })
  app.post('/_pool/global-sign-out', async (request, reply) => {
    controls.globalSignOut(NamedUser.parse(request.body).username)
    return reply.code(204).send()
  })
  app.post('/_pool/tokens', async (request, reply) => {
    const order = withoutUndefined(TokenOrderBody.parse(request.body))
    return reply.send(await controls.issueTokens(order))
  })
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function withoutUndefined<T extends object>(given: T): Defined<T> {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined)
  // oxlint-disable-next-line no-unsafe-type-assertion -- the same object without the properties that hold nothing
  return Object.fromEntries(entries) as Defined<T>
}
