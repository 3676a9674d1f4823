import type { ErrorCode } from '../domain/errors.ts'
import { actions, escapeHtml, layout, linkButton } from './layout.ts'

export interface ErrorPageOptions {
  readonly code: ErrorCode
  readonly reference: string
  /** Where a new sign-in begins that leads back. */
  readonly signInAgain?: string | undefined
  readonly home?: string | undefined
  /** The address of the page itself, where asking again can help. */
  readonly retry?: string | undefined
  /** The page that shows what we see of a browser with which somebody cannot sign in. */
  readonly diagnose?: string | undefined
}

type Next = 'sign-in' | 'retry' | 'home' | 'none'

interface Explanation {
  readonly title: string
  readonly text: string
  readonly next: Next
}

/** What each failure means to a person, and what to do about it. */
const explanations = {
  GW_SIGN_IN_REQUIRED: { title: 'Please sign in', text: 'This page is for people who are signed in.', next: 'sign-in' },
  GW_TOKEN_INVALID: {
    title: 'Access token not accepted',
    text: 'The token or password is not valid here, or its time is over.',
    next: 'none',
  },
  GW_TOKEN_USE: {
    title: 'Wrong kind of token',
    text: 'An ID token was sent where an access token is needed.',
    next: 'none',
  },
  GW_FORBIDDEN: { title: 'You may not open this', text: 'What was sent does not allow this page.', next: 'home' },
  GW_CROSS_ORIGIN: {
    title: 'Request from another site',
    text: 'Another site tried to act here in your name, so nothing was done. If it was you, start from our own page.',
    next: 'home',
  },
  GW_ROUTE_UNKNOWN: {
    title: 'Page not found',
    text: 'There is nothing at this address. Check it for a typing mistake.',
    next: 'home',
  },
  GW_METHOD_NOT_ALLOWED: {
    title: 'Not possible here',
    text: 'This address does not take that kind of request.',
    next: 'home',
  },
  GW_REQUEST_TIMEOUT: {
    title: 'Too slow',
    text: 'The request took too long to arrive. Check your connection and try again.',
    next: 'retry',
  },
  GW_BODY_TOO_LARGE: { title: 'Too large', text: 'What was sent is larger than this address takes.', next: 'home' },
  GW_TARGET_TOO_LONG: {
    title: 'Address too long',
    text: 'The address of this page is longer than can be handled.',
    next: 'home',
  },
  GW_HOST_UNKNOWN: {
    title: 'Unknown site',
    text: 'This site name is not served here. Check the address.',
    next: 'none',
  },
  GW_HEADERS_TOO_LARGE: {
    title: 'Too much sent along',
    text: 'The browser sent more headers than can be handled. Deleting the cookies of this site usually helps.',
    next: 'retry',
  },
  GW_REQUEST_REFUSED: {
    title: 'Unclear address',
    text: 'This address could be understood in more than one way, so it was refused.',
    next: 'home',
  },
  GW_EXPECTATION_FAILED: {
    title: 'Not possible here',
    text: 'Your program expects something that this site does not know.',
    next: 'home',
  },
  GW_TOO_MANY_REQUESTS: {
    title: 'Too many at once',
    text: 'Too many connections are open or too many requests came at once.',
    next: 'retry',
  },
  GW_UPGRADE_UNSUPPORTED: {
    title: 'Connection not supported',
    text: 'This kind of connection is not offered here.',
    next: 'home',
  },
  GW_UPSTREAM_UNREACHABLE: {
    title: 'Application not reachable',
    text: 'You did nothing wrong: the application behind this address cannot be reached at the moment.',
    next: 'retry',
  },
  GW_UPSTREAM_INVALID: {
    title: 'Application in trouble',
    text: 'The application gave an answer that makes no sense. Try again in a moment.',
    next: 'retry',
  },
  GW_LOOP: {
    title: 'Going in a circle',
    text: 'The way to the application leads back to where it began. Please tell your administrator.',
    next: 'none',
  },
  GW_UPSTREAM_TIMEOUT: {
    title: 'Application too slow',
    text: 'The application did not answer in time. Try again in a moment.',
    next: 'retry',
  },
  GW_SESSION_TOO_LARGE: {
    title: 'Sign-in too large',
    text: 'Your account carries more groups or details than a browser can keep. Please tell your administrator.',
    next: 'none',
  },
  GW_POOL_UNAVAILABLE: {
    title: 'Sign-in is not available',
    text: 'The sign-in service does not answer at the moment. Wait a little and try again; nothing is lost.',
    next: 'sign-in',
  },
  GW_STORE_UNAVAILABLE: {
    title: 'One moment, please',
    text: 'You are still signed in, but your session cannot be read at the moment. Wait a little and try again; nothing is lost.',
    next: 'retry',
  },
  GW_OVERLOADED: {
    title: 'Very busy',
    text: 'There is too much going on at the moment. Wait a little and try again.',
    next: 'retry',
  },
  GW_INTERNAL: {
    title: 'Something went wrong',
    text: 'That is our fault, not yours. Try again, and tell us the reference if it stays.',
    next: 'retry',
  },
  GW_SIGN_IN_CANCELLED: {
    title: 'Sign-in cancelled',
    text: 'The sign-in was stopped before it was finished. You are not signed in.',
    next: 'sign-in',
  },
  GW_SIGN_IN_STATE_INVALID: {
    title: 'This sign-in was not started here',
    text: 'The link that brought you here does not belong to a sign-in of this browser. Simply start again.',
    next: 'sign-in',
  },
  GW_SIGN_IN_EXPIRED: {
    title: 'Sign-in took too long',
    text: 'For your safety a sign-in is only good for a while. Simply start again.',
    next: 'sign-in',
  },
  GW_SIGN_IN_COOKIES_BLOCKED: {
    title: 'Your browser does not keep the sign-in',
    text: 'The browser did not send back the cookie that keeps you signed in. Allow cookies for this site, then sign in again.',
    next: 'sign-in',
  },
  GW_SIGN_IN_LOOP: {
    title: 'Signing in does not hold',
    text: 'You were signed in three times within a minute, and each time asked to sign in again. Trying once more may help; if not, please tell your administrator the reference below.',
    next: 'sign-in',
  },
  GW_SIGN_IN_REFUSED: {
    title: 'Sign-in did not work',
    text: 'The sign-in service refused this sign-in. Start again; a link works once only.',
    next: 'sign-in',
  },
  GW_SIGN_IN_MISCONFIGURED: {
    title: 'Sign-in is not set up correctly',
    text: 'The sign-in service and this site do not agree on their settings. Please tell your administrator the reference below.',
    next: 'sign-in',
  },
  GW_SIGN_IN_TOKENS_INVALID: {
    title: 'Sign-in could not be verified',
    text: 'What the sign-in service sent did not pass our checks, so nobody was signed in. Start again.',
    next: 'sign-in',
  },
  GW_SIGN_IN_STALE: {
    title: 'Please sign in with your password',
    text: 'You have to give your password again, and the sign-in service brought back the sign-in from before. Close all windows of your browser, then sign in again.',
    next: 'sign-in',
  },
  GW_CSRF: {
    title: 'This form is out of date',
    text: 'The page was open for too long or in another session. Go back, reload it and try again.',
    next: 'home',
  },
} as const satisfies Record<ErrorCode, Explanation>

/** What happened, in plain words, and the one thing to do next. */
export function errorPage({ code, reference, signInAgain, home = '/', retry, diagnose }: ErrorPageOptions): string {
  const { title, text, next } = explanations[code]
  const helps = diagnose !== undefined && next === 'sign-in' && code !== 'GW_SIGN_IN_REQUIRED'
  const links: Readonly<Record<Next, string>> = {
    'sign-in': linkButton('Sign in again', signInAgain ?? home),
    retry: retry === undefined ? linkButton('Go to the start page', home) : linkButton('Try again', retry),
    home: linkButton('Go to the start page', home),
    none: '',
  }
  const help = helps ? linkButton('It keeps happening', diagnose, 'quiet') : ''
  const body = `<p role="alert">${escapeHtml(text)}</p>${links[next] === '' ? '' : actions(links[next], help)}`
  return layout({ title, body, reference, code })
}
