import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What this process keeps in its heap, once all that nobody can reach any more is gone. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  // What is freed in a first run may have held on to more.
  runInNewContext('gc(); gc()')
  return process.memoryUsage().heapUsed
}
