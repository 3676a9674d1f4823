/** How often a condition is looked at: a test that waits leaves the processor to what it waits for, and to the test beside it. */
const EVERY_MS = 2

/** Waits until a condition holds, however long that takes: the test's own limit ends it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
}
