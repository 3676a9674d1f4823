import type { IncomingHttpHeaders } from 'node:http'
import { isPrefetch, isUpgrade } from './client-kind.ts'

/** What a person's own wish can be for: a page, a frame of one, or what a page's script asks for. Never a picture. */
const WISHES = new Set(['document', 'iframe', 'frame', 'empty'])

/**
 * Whether a request for an application's sign-out is the wish of the person who is signed in. Another site's link, form or picture must not
 * sign anybody out, nor must a browser that fetches pages ahead.
 */
export function isOwnSignOut(headers: IncomingHttpHeaders, method: string, publicOrigin: string): boolean {
  if (method === 'HEAD' || method === 'OPTIONS' || isUpgrade(headers)) return false
  if (isPrefetch(headers)) return false
  const site = headers['sec-fetch-site']
  // Browsers from before Fetch Metadata tell by these at least that it was not another site.
  if (site === undefined) return (headers.origin ?? originOf(headers.referer)) === publicOrigin
  if (site !== 'same-origin' && site !== 'none') return false
  return WISHES.has(headers['sec-fetch-dest'] ?? 'empty')
}

function originOf(address: string | undefined): string | null {
  return address !== undefined && URL.canParse(address) ? new URL(address).origin : null
}
