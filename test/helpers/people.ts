import type { Machine, Person } from '../../src/domain/identity.ts'

/** Alice, as verified tokens describe her, but for what a test says otherwise. */
export const alice = (more: Partial<Person> = {}): Person => ({
  kind: 'person',
  pool: 'staff',
  subject: 'sub-alice',
  username: 'alice',
  preferredUsername: undefined,
  email: 'alice@example.com',
  groups: new Set(['admins', 'ops']),
  scopes: new Set(['openid', 'orders/read']),
  claims: { 'custom:tenant': 'acme', 'custom:teams': ['red', 'blue'] },
  authTime: 1_761_379_200,
  ...more,
})

/** A machine client with these scopes. */
export const machine = (scopes: readonly string[] = ['orders/read']): Machine => ({
  kind: 'machine',
  pool: 'staff',
  clientId: 'batch',
  scopes: new Set(scopes),
})
