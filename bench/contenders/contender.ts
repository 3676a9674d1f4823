import type { Program } from '../programs.ts'
import type { Site } from '../site.ts'

/** A program that stands between client and application. */
export interface Contender {
  readonly name: string
  /** What it is and does, for a table's reader. */
  readonly does: string
  /** Whether it refuses whoever has not signed in. */
  readonly guards: boolean
  /** Whether people really sign in at it. Where they do not, its requests carry the gateway's session cookie beside their own, so that all are of one size. */
  readonly signsIn: boolean
  /** Why it cannot run on this machine; undefined where it can. Says first what is missing, then the remedy. */
  unavailable(): string | undefined
  /** Its version, once it is there. */
  version(): string
  start(site: Site): Promise<Running>
}

export interface Running {
  /** What is measured, with its children. */
  readonly program: Program
  readonly port: number
  /** Signs in anew; the headers that a signed-in client sends. Old cookies are written anew by many, and that is not what is measured. */
  signIn(): Promise<Readonly<Record<string, string>>>
}
