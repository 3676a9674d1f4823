import { escapeHtml, layout } from './layout.ts'

/** Inside a frame nobody can sign in, so the sign-in opens in the whole window. */
export function framePage({ href }: { readonly href: string }): string {
  return layout({
    title: 'Please sign in',
    body: `<p>You are not signed in any more.</p><div class="actions"><a class="button" href="${escapeHtml(href)}" target="_top">Sign in</a></div>`,
  })
}
