import { Memo } from '../domain/memo.ts'
import type { Seal } from './seal.ts'
import type { ReadSession, SessionStore } from './session-store.ts'

interface Opened {
  readonly handle: string
  readonly oldKey: boolean
}

/**
 * A store whose sessions another host uses too: what the browser holds here is the handle sealed for this host, so that a copy of one host's
 * cookie is nothing on any other, while the session behind them is one.
 */
export function createSealedHandleStore(store: SessionStore, seal: Seal, remembered = 10_000): SessionStore {
  const newMemo = (): Memo<Opened> => new Memo(remembered)
  let memo = newMemo()
  seal.onNewKeys(() => {
    memo = newMemo()
  })

  function open(text: string): Opened | null {
    const known = memo.get(text)
    if (known !== null) return known
    const opened = seal.open(text)
    if (opened === null) return null
    const found = { handle: opened.plain.toString('latin1'), oldKey: opened.oldKey }
    memo.set(text, found)
    return found
  }

  const textOf = (handle: string | null): string | null => (handle === null ? null : seal.seal(Buffer.from(handle)))

  return {
    ...store,
    read(text) {
      const opened = open(text)
      if (opened === null) return seal.isForeign(text) ? 'foreign' : null
      const found = store.read(opened.handle)
      if (!opened.oldKey) return found
      return found instanceof Promise ? found.then(onOldKey) : onOldKey(found)
    },
    create: async (session) => textOf(await store.create(session)),
    write: async (session) => textOf(await store.write(session)),
    lend: (session, now) => textOf(store.lend(session, now)),
    lastKnown(text) {
      const opened = open(text)
      return opened === null ? null : store.lastKnown(opened.handle)
    },
  }
}

function onOldKey(found: ReadSession): ReadSession {
  return found === null || found === 'foreign' ? found : { ...found, oldKey: true }
}
