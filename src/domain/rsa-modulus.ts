const GENERATOR = 65_537n
/** Primes up to here are divisors of what every prime of such a modulus was made around. */
const LARGEST = 167

/** Residues of powers of 65537, for every small prime. */
const residues: readonly (readonly [prime: bigint, powers: ReadonlySet<bigint>])[] = smallPrimes().map((prime) => [
  prime,
  powersModulo(prime),
])

/**
 * Whether an RSA modulus is one of those whose primes some hardware made after a pattern: they can be factored (CVE-2017-15361). Modulo every
 * small prime such a modulus is a power of 65537; of others, one in two hundred million is.
 */
export function isPatterned(modulus: bigint): boolean {
  return residues.every(([prime, powers]) => powers.has(modulus % prime))
}

/** Whether a small prime divides it: then it is no product of two large ones, and nobody knows who can factor the rest. */
export function hasSmallFactor(modulus: bigint): boolean {
  return residues.some(([prime]) => modulus % prime === 0n)
}

function smallPrimes(): readonly bigint[] {
  const primes: number[] = []
  for (let candidate = 2; candidate <= LARGEST; candidate += 1)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
  return primes.map(BigInt)
}

function powersModulo(prime: bigint): ReadonlySet<bigint> {
  const powers = new Set<bigint>()
  for (let power = 1n; !powers.has(power); power = (power * GENERATOR) % prime) powers.add(power)
  return powers
}
