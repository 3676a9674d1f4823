import { escapeHtml } from './layout.ts'
import { operatorPage } from './operator-layout.ts'

/** What there is on the admin port. */
export function adminIndexPage(version: string): string {
  const links = [
    ['/routes', 'Routes', 'every application, its routes and who may pass'],
    ['/routes.json', 'routes.json', 'the same as data'],
    ['/livez', 'livez', 'whether this process is alive'],
    ['/readyz', 'readyz', 'whether it is ready for requests, or why not'],
    ['/metrics', 'metrics', 'everything that is counted, for Prometheus'],
  ]
  const items = links.map(([href, name, says]) => `<li><a href="${href}">${name}</a>: ${says}</li>`)
  const body = `<p class="facts">Version ${escapeHtml(version)}</p><ul>${items.join('')}</ul>`
  return operatorPage({ title: 'Cognito Gateway', body })
}
