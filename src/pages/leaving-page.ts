import { actions, layout, linkButton } from './layout.ts'

/** Stands between a page of the application and whatever comes after a sign-out, and goes on by itself. */
export function leavingPage({ href }: { readonly href: string }): string {
  return layout({ title: 'Signing out', body: `<p>One moment, please.</p>${actions(linkButton('Go on', href))}` })
}

/**
 * A page that is left goes to the browser's memory only when the next one is there, and so after the answer that emptied that memory. This
 * page is the next one; what it leads to empties the memory once more.
 */
export function leavingHeaders(href: string): Readonly<Record<string, string>> {
  return { refresh: `0; url=${href}` }
}
