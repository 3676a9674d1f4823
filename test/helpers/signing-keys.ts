import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, importJWK, type CryptoKey, type JWK } from 'jose'
import { newSigningKey, type SigningKey } from '../../src/local/pool-keys.ts'
import { root } from './process.ts'

/** Beside the compiled tests, and gone with them. */
const folder = join(root, 'build', 'signing-keys')
let given = 0

/**
 * A key for a pool. To make one takes longer than all else that a small world needs, so keys are kept: the first process that asks for its
 * n-th makes it, the next ones read it. Within a process no key comes twice.
 */
export async function nextSigningKey(): Promise<SigningKey> {
  given += 1
  const file = join(folder, `${given}.json`)
  return (await readKey(file)) ?? makeKey(file)
}

async function readKey(file: string): Promise<SigningKey | undefined> {
  let kept: { readonly kid: string; readonly secret: JWK }
  try {
    kept = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
  const { kid, secret } = kept
  const { e = '', n = '' } = secret
  const jwk = { alg: 'RS256', e, kid, kty: 'RSA', n, use: 'sig' }
  const [privateKey, publicKey] = await Promise.all([secret, jwk].map(importKey))
  if (privateKey === undefined || publicKey === undefined) return undefined
  return { kid, privateKey, publicKey, jwk }
}

async function makeKey(file: string): Promise<SigningKey> {
  const key = await newSigningKey()
  mkdirSync(folder, { recursive: true })
  const mine = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(mine, JSON.stringify({ kid: key.kid, secret: await exportJWK(key.privateKey) }), { mode: 0o600 })
  renameSync(mine, file)
  return key
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'RS256', { extractable: true })
  if (key instanceof Uint8Array) throw new Error('not a key of a pair')
  return key
}
