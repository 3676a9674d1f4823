import { createRevocations, type Revocations } from '../../src/adapters/revocations.ts'

/** Revocations of a gateway without Redis, which remembers each for an hour. */
export const ownRevocations = (now: () => number): Revocations =>
  createRevocations({
    now,
    ticks: now,
    userPoolOf: (pool) => pool,
    keepMs: { sessions: 3_600_000, others: 3_600_000 },
    openLog: null,
  })
