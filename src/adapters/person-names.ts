import { createHash } from 'node:crypto'
import type { Identity } from '../domain/identity.ts'

/** How a line of the log names somebody; what is undefined is not told. */
export interface LoggedName {
  readonly person: string | undefined
  readonly sub: string | undefined
  readonly email: string | undefined
  readonly machine: string | undefined
}

/** How people are named in the log: by a hash that tells them apart, by subject, or by e-mail where the operator wants it. */
export interface PersonNames {
  readonly nobody: LoggedName
  of(identity: Identity): LoggedName
  /** Of whom nothing but the subject is known. */
  ofSubject(subject: string): LoggedName
}

const NOBODY: LoggedName = { person: undefined, sub: undefined, email: undefined, machine: undefined }

export function createPersonNames(people: 'hash' | 'sub' | 'email'): PersonNames {
  const names = new WeakMap<Identity, LoggedName>()

  function nameOf(identity: Identity): LoggedName {
    if (identity.kind === 'machine') return { ...NOBODY, machine: identity.clientId }
    const { subject, email } = identity
    if (people === 'sub') return { ...NOBODY, sub: subject }
    return people === 'email' && email !== undefined ? { ...NOBODY, sub: subject, email } : hashed(subject)
  }

  return {
    nobody: NOBODY,
    ofSubject: (subject) => (people === 'hash' ? hashed(subject) : { ...NOBODY, sub: subject }),
    of(identity) {
      let name = names.get(identity)
      if (name === undefined) {
        name = nameOf(identity)
        names.set(identity, name)
      }
      return name
    },
  }
}

function hashed(subject: string): LoggedName {
  return { ...NOBODY, person: createHash('sha256').update(subject).digest('base64url').slice(0, 16) }
}
