import { z } from 'zod'
import { file, filledList, instant, seconds, secondsOrNone, secretSource } from './kinds.ts'

const YEAR = 31_536_000

export const session = z
  .strictObject({
    store: z
      .enum(['cookie', 'redis'])
      .default('cookie')
      .describe(
        'Where sessions live: in the browser, sealed, or in Redis or Valkey, of which the browser holds the key.',
      ),
    keys: filledList(secretSource()).describe(
      'Session keys: files of 32 bytes as base64url (cognito-gateway keygen). The first seals, every one opens.',
    ),
    idleTimeoutSeconds: seconds(YEAR).default(28_800).describe('A session unused for this long has ended.'),
    maxAgeSeconds: seconds(YEAR)
      .default(43_200)
      .describe('A session ends this long after its sign-in, however much it is used.'),
    recheckSeconds: seconds(86_400)
      .default(300)
      .describe("Claims are renewed at least this often, whatever the access token's life."),
    refreshGraceSeconds: secondsOrNone(300)
      .default(300)
      .describe('How long a session outlives its access token while Cognito is away.'),
    redis: z
      .strictObject({
        url: secretSource().describe(
          'Where the address of Redis or Valkey stands, with its password: redis:// or rediss://; redis+sentinel:// and redis+cluster:// with several hosts.',
        ),
        caFile: file().optional().describe('Certificate authorities to trust for rediss://, as PEM.'),
        outageGraceSeconds: secondsOrNone(3_600)
          .default(300)
          .describe('How long sessions that were seen a moment ago go on while Redis is away.'),
      })
      .optional()
      .describe(
        'Redis or Valkey: the store for store: redis; with store: cookie it tells all replicas which sessions were ended, and keeps them from refreshing one session twice.',
      ),
    revokeAllBefore: instant()
      .optional()
      .describe(
        'Whoever signed in before this moment, such as 2025-01-31T03:00:00Z, has to do it again, and tokens from before it are refused.',
      ),
  })
  .describe('Sessions of people who are signed in.')
