import t from 'tap'
import { createOpenStreams } from '../../src/adapters/open-streams.ts'
import type { Session } from '../../src/domain/session.ts'

const LIMITS = { idleTimeoutSeconds: 28_800, maxAgeSeconds: 43_200, recheckSeconds: 300, refreshGraceSeconds: 300 }

const START = 1_700_000_000_000

/** What is open under a session of this kind after so many seconds. */
function openAfter(seconds: number, more: Partial<Session>): boolean {
  let [now, open] = [START, true]
  const streams = createOpenStreams({ limits: LIMITS, now: () => now, onWebSockets: () => undefined })
  const person = {
    kind: 'person',
    pool: 'local',
    subject: 'alice',
    username: 'alice',
    preferredUsername: undefined,
    groups: new Set<string>(),
    scopes: new Set<string>(),
    claims: {},
    email: undefined,
    authTime: 0,
  } as const
  const session = {
    id: 'x',
    person,
    startedAt: START,
    seenAt: START,
    claimsAt: START,
    accessExpiresAt: START + 3_600_000,
    ...more,
  }
  const rule = { access: 'signedIn', pool: 'local' } as const
  streams.add({ rule, address: '', webSocket: false, identity: person, end: () => (open = false) }, session as Session)
  now = START + seconds * 1000
  streams.endStale()
  return open
}

t.test(
  'what is open under a copy of a session ends when the host that could has not renewed it for ten minutes',
  async (t) => {
    t.ok(openAfter(590, { lentAt: START }))
    t.notOk(openAfter(610, { lentAt: START }))
    t.ok(openAfter(610, { lentAt: START + 400_000 }), 'handed over again since')
    t.ok(openAfter(28_000, {}), 'where sessions are refreshed it goes by their use')
    t.notOk(openAfter(28_900, {}))
  },
)
