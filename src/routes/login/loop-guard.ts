const WINDOW_MS = 60_000
const MAX_FRUITLESS = 3
const MAX_REMEMBERED = 10_000

/** Notices a person who signs in again and again for one page without ever bringing the session back. */
export interface LoopGuard {
  /** Counts a sign-in that came without a session; true from the fourth within a minute on. */
  isFruitless(subject: string, returnTo: string): boolean
}

export function createLoopGuard(now: () => number): LoopGuard {
  const rounds = new Map<string, readonly number[]>()
  return {
    isFruitless(subject, returnTo) {
      const key = `${subject} ${returnTo}`
      const recent = (rounds.get(key) ?? []).filter((time) => time > now() - WINDOW_MS)
      rounds.delete(key)
      if (recent.length >= MAX_FRUITLESS) return true
      rounds.set(key, [...recent, now()])
      if (rounds.size > MAX_REMEMBERED) rounds.delete(rounds.keys().next().value ?? '')
      return false
    },
  }
}
