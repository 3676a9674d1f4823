import type { FastifyPluginAsync } from 'fastify'
import type { LogLevel } from '../../adapters/log.ts'
import { GatewayError } from '../../domain/errors.ts'

export interface LogLevelOptions {
  /** From now on every process of the gateway writes from this level on. */
  readonly setLogLevel: (level: LogLevel) => void | Promise<void>
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** `PUT /log-level` with `{ "level": "debug" }`: until the next start, which takes the level of the settings. */
export const logLevel: FastifyPluginAsync<LogLevelOptions> = async (app, { setLogLevel }) => {
  app.put('/log-level', async (request, reply) => {
    const level = levelIn(request.body)
    await setLogLevel(level)
    app.audit(request, 'log_level_changed', { to: level })
    return reply.send({ level })
  })
}

function levelIn(body: unknown): LogLevel {
  const asked = typeof body === 'object' && body !== null && 'level' in body ? body.level : undefined
  const level = LEVELS.find((one) => one === asked)
  if (level === undefined)
    throw new GatewayError('GW_REQUEST_REFUSED', {
      reason: 'malformed',
      remedy: `send { "level": "${LEVELS.join('" | "')}" } as application/json`,
    })
  return level
}
