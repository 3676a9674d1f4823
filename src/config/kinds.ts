import { z } from 'zod'
import { parseInstant } from '../domain/revocation.ts'
import { mark } from './marks.ts'
import {
  hostFault,
  isLoopbackHost,
  networkFault,
  originFault,
  ownPathFault,
  pathPatternFault,
  upstreamUrlFault,
} from './addresses.ts'

const MAX_TEXT = 1_024

interface TextRule {
  /** What the text must be, following "must be". */
  readonly expects: string
  readonly pattern?: RegExp
  /** What is wrong with a text; undefined where nothing is. Never repeats the text: people paste secrets into the wrong line. */
  readonly fault?: (value: string) => string | undefined
}

/** A text with one message for whatever is wrong with it. */
export function text({ expects, pattern, fault }: TextRule) {
  const schema = z.string().check(({ value, issues }) => {
    const message = blankFault(value) ?? (pattern?.test(value) === false ? `must be ${expects}` : fault?.(value))
    if (message !== undefined) issues.push({ code: 'custom', message, input: value, path: [] })
  })
  return mark(schema, pattern === undefined ? { expects } : { expects, pattern: pattern.source })
}

function blankFault(value: string): string | undefined {
  if (value.trim() === '') return 'must not be blank: give a value or take the key out'
  if (value.length > MAX_TEXT) return `must not be longer than ${MAX_TEXT} characters`
  if (/[\0-\x1f\x7f]/.test(value)) return 'must not contain control characters or line breaks'
  return /\p{Surrogate}/u.test(value) ? 'must be well-formed Unicode' : undefined
}

export const plainText = () => text({ expects: 'a text' })

const wholeNumber = (min: number, max: number) => z.int().min(min).max(max)

/** A time in seconds: more than nothing, and no more than `max`. */
export const seconds = (max: number, min = 1) =>
  mark(wholeNumber(min, max), { expects: `seconds, a whole number from ${min} to ${max}` })
export const secondsOrNone = (max: number) =>
  mark(wholeNumber(0, max), { expects: `seconds, a whole number from 0 to ${max}` })
export const count = (min: number, max: number) => wholeNumber(min, max)
export const port = () => mark(wholeNumber(0, 65_535), { expects: 'a port, a whole number from 0 to 65535' })

export const list = <S extends z.ZodType>(element: S) => z.array(element).max(1_000)

/** A list that must say something where it is given at all. */
export const filledList = <S extends z.ZodType>(element: S) => list(element).min(1)

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

/** A map from names that the operator chooses. */
export const named = <S extends z.ZodType>(value: S) =>
  z.record(
    text({ expects: 'up to 63 lower-case letters, digits and hyphens, a letter or digit first', pattern: NAME }),
    value,
  )

/** A map from free texts, such as claims or groups. */
export const mapOf = <S extends z.ZodType>(value: S) => z.record(plainText(), value)

export const file = () => text({ expects: "a file's path, from this file's folder where it is relative" })

/** Where a secret is read from. The secret itself has no place in the file. */
export const secretSource = () =>
  mark(
    z
      .strictObject({
        file: file()
          .optional()
          .describe('The file that holds the secret, from the folder of this file where it is relative.'),
        env: text({ expects: "an environment variable's name", pattern: /^[A-Za-z_][A-Za-z0-9_]*$/ })
          .optional()
          .describe('The environment variable that holds the secret.'),
      })
      .check(({ value, issues }) => {
        if ((value.file === undefined) === (value.env === undefined)) {
          issues.push({ code: 'custom', message: 'must have either file or env', input: value, path: [] })
        }
      }),
    { expects: '{ file: PATH } or { env: NAME }, never the secret itself' },
  )

/** An address such as https://auth.example.com: http only on this machine. */
export const httpsOrigin = (example: string) =>
  text({
    expects: `an https address such as ${example}`,
    fault: (value) =>
      (value.includes('://') ? originFault(value) : `must be written with https://, such as ${example}`) ??
      (value.startsWith('http:') && !isLoopbackHost(new URL(value).hostname)
        ? 'must begin with https://: http is for this machine only'
        : undefined),
  })

export const httpOrigin = () => text({ expects: 'an origin such as https://app.example.com', fault: originFault })
export const upstreamUrl = () =>
  text({ expects: "the application's address such as http://wiki.internal:8080", fault: upstreamUrlFault })
export const host = () => text({ expects: 'a host name such as wiki.example.com', fault: hostFault })
/** What stands after the @ of an e-mail address. */
export const emailDomain = () =>
  text({
    expects: 'a domain such as example.com',
    fault: (value) => (value.includes('@') ? 'must be written without the @, such as example.com' : hostFault(value)),
  })
/** An address that a server can be bound to. */
export const bindHost = () =>
  text({
    expects: 'an address or host name of this machine, such as 127.0.0.1',
    pattern: /^[A-Za-z0-9._:-]{1,253}$/,
  })
/** A network of IPv4 or IPv6 addresses. */
export const network = () => text({ expects: 'a network such as 10.0.0.0/8 or 2001:db8::/32', fault: networkFault })
export const ownPath = () => text({ expects: 'a path such as /oauth2', fault: ownPathFault })
export const routePath = () =>
  mark(text({ expects: 'a path such as /reports/*', fault: pathPatternFault }), { pattern: '^/' })

const DAY_EXPECTED = 'a date such as 2027-01-31'

/** A day of the calendar. */
export const day = () =>
  text({
    expects: DAY_EXPECTED,
    pattern: /^\d{4}-\d{2}-\d{2}$/,
    fault: (value) => (dayStart(value) === null ? `must be ${DAY_EXPECTED}` : undefined),
  })

/** When a day begins in UTC, in epoch milliseconds; null for what is no day of the calendar. */
export function dayStart(value: string): number | null {
  const start = new Date(`${value}T00:00:00Z`)
  return Number.isNaN(start.getTime()) || !start.toISOString().startsWith(value) ? null : start.getTime()
}

const INSTANT_EXPECTED = 'a moment with its zone, such as 2025-01-31T03:00:00Z'

/** A moment that has been. */
export const instant = () =>
  text({
    expects: INSTANT_EXPECTED,
    fault(value) {
      const moment = parseInstant(value)
      if (moment === null) return `must be ${INSTANT_EXPECTED}`
      return moment > Date.now() ? 'must not be in the future: nobody could stay signed in until then' : undefined
    },
  })

/** An app client's id. */
export const clientId = () => text({ expects: "an app client's id", pattern: /^[\w+-]{1,128}$/ })
export const scope = () =>
  text({ expects: 'a scope such as openid or orders/read', pattern: /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/ })
export const headerName = (fault?: (name: string) => string | undefined) =>
  text({
    expects: "a header's name",
    pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/,
    ...(fault === undefined ? {} : { fault }),
  })
/** What can stand in a header as it is. */
export const headerValue = () =>
  text({ expects: 'a header value of printable ASCII', pattern: /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/ })
