const LONGEST_PAUSE_MS = 20

/**
 * Waits until a condition holds, however long that takes: the test's own limit ends it. Looks again after a millisecond, and ever less often:
 * a test that waits leaves the processor to what it waits for.
 */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let pauseMs = 1; !(await holds()); pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS))
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
}
