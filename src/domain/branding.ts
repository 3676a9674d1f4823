import { foldPath } from './request-target.ts'
import type { Site, Sites } from './site.ts'

/** What an application is called and looks like on pages of ours, as its settings have it. */
export interface Branding {
  readonly name?: string | undefined
  /** A path on the application's own host, or an https address. */
  readonly logo?: string | undefined
  /** `#rgb` or `#rrggbb`. */
  readonly colour?: string | undefined
}

/** The same as a page shows it. */
export interface Brand {
  readonly name: string | undefined
  /** Absolute: the page may be on another host. */
  readonly logo: URL | undefined
  readonly colours: { readonly ground: string; readonly text: string } | undefined
}

export interface BrandedApplication {
  readonly name: string
  readonly hosts: readonly string[]
  readonly path: string
  readonly branding: Branding
}

/** What a request is about, as far as that is known. */
export interface BrandedRequest {
  readonly route: { readonly application: string } | null
  /** Where the person wants to be: a path at this host, or an address on another one. */
  readonly returnTo: string | null
  readonly site: Site
}

/** The brand of the application that a page of ours is about; null where it has none, or there is no such application. */
export function createBrands(
  applications: readonly BrandedApplication[],
  { byHost }: Sites,
): (request: BrandedRequest) => Brand | null {
  const branded = applications.filter(({ branding }) => Object.values(branding).some((part) => part !== undefined))
  if (branded.length === 0) return () => null

  function applicationOf({ route, returnTo, site }: BrandedRequest): BrandedApplication | undefined {
    if (route !== null) return branded.find(({ name }) => name === route.application)
    const { hostname, pathname } = new URL(returnTo ?? '/', site.origin)
    const path = `${foldPath(pathname)}/`
    return applications
      .filter((one) => one.hosts.includes(hostname) && path.startsWith(withSlash(foldPath(one.path))))
      .toSorted((one, other) => other.path.length - one.path.length)[0]
  }

  return (request) => {
    const application = applicationOf(request)
    if (application === undefined || !branded.includes(application)) return null
    const { name, logo, colour } = application.branding
    const [first = ''] = application.hosts
    const site = application.hosts.includes(request.site.host) ? request.site : byHost.get(first)
    return {
      name,
      logo: logo === undefined ? undefined : new URL(logo, site?.origin),
      colours: colour === undefined ? undefined : { ground: colour, text: textColourOn(colour) },
    }
  }
}

const withSlash = (path: string): string => (path.endsWith('/') ? path : `${path}/`)

/** Black or white, whichever can be read better: one of them always has a contrast of 4.5 (WCAG 2.2, 1.4.3). */
export function textColourOn(colour: string): '#000' | '#fff' {
  return 1.05 / (luminanceOf(colour) + 0.05) >= (luminanceOf(colour) + 0.05) / 0.05 ? '#fff' : '#000'
}

function luminanceOf(colour: string): number {
  const [, hex = ''] = /^#([\da-f]+)$/i.exec(colour) ?? []
  const digits = hex.length === 3 ? hex.replaceAll(/./g, '$&$&') : hex
  const [red = 0, green = 0, blue = 0] = (digits.match(/../g) ?? [])
    .map((pair) => Number.parseInt(pair, 16) / 255)
    .map((part) => (part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
