/** Nobody calls a part of an address like this: a route with such a literal would hide another from us. */
const UNLIKELY = ['-', '-any-', '~any~']

/** Paths, as a client would send them, that a route's pattern covers; the nicest first, the others for where another route has that one. */
export function examplePaths(pattern: string): readonly string[] {
  const below = pattern.endsWith('/*')
  const base = below ? pattern.slice(0, -2) : pattern
  const filled = (stand: (name: string) => string): string =>
    base
      .split('/')
      .map((segment) => escaped(segment.startsWith(':') ? stand(segment.slice(1)) : segment))
      .join('/')
  const nice = filled((name) => name)
  return [
    below || nice === '' ? `${nice}/` : nice,
    ...UNLIKELY.map((word) => filled(() => word) + (below ? `/${word}` : '')),
  ]
}

const escaped = (segment: string): string =>
  encodeURI(segment).replaceAll(/[?#]/g, (character) => encodeURIComponent(character))
