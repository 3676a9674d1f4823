import t from 'tap'
import { createSessionRefresh } from '../../src/adapters/session-refresh.ts'
import type { Session } from '../../src/domain/session.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { createClock } from '../helpers/clock.ts'
import { newSession } from '../helpers/sessions.ts'

const clock = createClock()

/** A refresh at a pool that gives these tokens while its keys cannot be had. */
function refreshWithoutKeys(refreshToken: string | undefined) {
  const steps: string[] = []
  const refresh = createSessionRefresh({
    cognito: { refresh: async () => ({ kind: 'tokens', tokens: { accessToken: 'a', idToken: 'i', refreshToken } }) },
    verifier: {
      verifyGrant: async () => {
        steps.push('verified')
        throw new GatewayError('GW_POOL_UNAVAILABLE', { reason: 'jwks' })
      },
    },
    pool: { name: 'staff', userPoolId: 'eu-west-1_x', trustEmailFrom: [] },
    keepClaims: [],
    keepTokens: { accessToken: false, idToken: false },
    now: clock.now,
    onOutcome: (kind, reason) => steps.push(`${kind} ${reason}`),
  })
  const held: Session[] = []
  const hold = async (session: Session): Promise<void> => {
    steps.push('held')
    held.push(session)
  }
  return { refresh, hold, held, steps }
}

t.test('a new refresh token is held before anything else, and counts as newer than the one before it', async (t) => {
  const one = newSession(clock)
  const { refresh, hold, held, steps } = refreshWithoutKeys('the next one')
  const outcome = await refresh(one, hold)
  t.same(steps, ['held', 'verified', 'unavailable jwks'])
  t.match(outcome, { kind: 'unavailable', session: { refreshToken: 'the next one', person: one.person } })
  t.ok((held[0]?.claimsAt ?? 0) > one.claimsAt, 'no store lets the one from before take its place')
  t.ok((held[0]?.claimsAt ?? 0) - one.claimsAt < 1_000, 'and its claims are as old as they are')
})

t.test('where the refresh token stays the same there is nothing to hold', async (t) => {
  const one = newSession(clock)
  for (const token of [undefined, one.refreshToken]) {
    const { refresh, hold, held } = refreshWithoutKeys(token)
    t.match(await refresh(one, hold), { kind: 'unavailable', session: { claimsAt: one.claimsAt } })
    t.same(held, [])
  }
})
