import { METHODS, type IncomingMessage } from 'node:http'
import { parseQuestion, type AskingProxy, type ProxyQuestion } from '../domain/proxy-question.ts'

declare module 'node:http' {
  interface IncomingMessage {
    /** On the listener that answers proxies: what this one asks. */
    question?: ProxyQuestion
  }
}

export interface Questions {
  readonly proxy: AskingProxy
  /** Where they are asked. */
  readonly path: string
}

/**
 * Gives a proxy's question the shape of the request that it is about, so that everything after this judges it as it would judge that request
 * itself. What is no question keeps its shape, and is refused by whoever looks at `question`.
 */
export function askedByProxy({ proxy, path }: Questions): (raw: IncomingMessage) => void {
  const rules = { proxy, path, methods: new Set(METHODS.filter((method) => method !== 'CONNECT')) }
  return (raw) => {
    const question = parseQuestion({ method: raw.method ?? '', url: raw.url ?? '', rawHeaders: raw.rawHeaders }, rules)
    raw.question = question
    if (question.ok) shapeAs(raw, question)
  }
}

function shapeAs(raw: IncomingMessage, question: Extract<ProxyQuestion, { ok: true }>): void {
  const { method, target, host, upgrade, rawHeaders } = question
  const own = { host, ...(upgrade ? { connection: 'Upgrade', upgrade: 'websocket' } : {}) }
  const names = new Set(rawHeaders.flatMap((text, at) => (at % 2 === 0 ? [text.toLowerCase()] : [])))
  const kept = Object.entries(raw.headers).filter(([name]) => names.has(name))
  raw.method = method
  raw.url = target
  raw.rawHeaders = [...Object.entries(own).flat(), ...rawHeaders]
  raw.headers = { ...Object.fromEntries(kept), ...own }
}
