import t from 'tap'
import { createBrands, textColourOn, type Branding } from '../../src/domain/branding.ts'
import { createSites } from '../../src/domain/site.ts'

const sites = createSites({
  publicUrl: 'https://apps.example.com',
  hosts: ['wiki', 'shop'].map((name) => ({ host: `${name}.example.com`, pool: 'staff' })),
  defaultPool: 'staff',
  callbackOn: 'publicUrl',
})
const application = (name: string, path: string, branding: Branding, hosts = [`${name}.example.com`]) => ({
  name,
  hosts,
  path,
  branding,
})
const brandOf = createBrands(
  [
    application('wiki', '/', { name: 'Wiki', logo: '/logo.svg', colour: '#ffdd00' }),
    application('shop', '/', {}),
    application('desk', '/desk', { name: 'Desk', logo: 'https://cdn.example.com/desk.png' }, ['shop.example.com']),
  ],
  sites,
)
const siteOf = (name: string) => sites.byHost.get(`${name}.example.com`) ?? sites.main
const about = (returnTo: string | null, at: string, route: string | null = null) =>
  brandOf({ returnTo, site: siteOf(at), route: route === null ? null : { application: route } })

t.test('a page looks like the application that it is about, on whichever host it is', async (t) => {
  t.equal(about(null, 'wiki')?.name, 'Wiki')
  t.equal(about('https://wiki.example.com/page', 'apps')?.name, 'Wiki')
  t.equal(about('https://wiki.example.com/page', 'apps')?.logo?.href, 'https://wiki.example.com/logo.svg')
  t.equal(about('/desk/1', 'shop')?.name, 'Desk')
  t.equal(about('/Desk', 'shop')?.logo?.href, 'https://cdn.example.com/desk.png')
  t.equal(about('/desktop', 'shop'), null)
  t.equal(about('/', 'shop', 'desk')?.name, 'Desk')
  t.equal(about('/', 'wiki', 'shop'), null)
  t.equal(about('/', 'apps'), null)
  t.same(about('/', 'wiki')?.colours, { ground: '#ffdd00', text: '#000' })
})

t.test('what stands on any colour can be read', async (t) => {
  t.equal(textColourOn('#1d5fd1'), '#fff')
  t.equal(textColourOn('#fff'), '#000')
  t.equal(textColourOn('#000'), '#fff')
  t.equal(textColourOn('#FFDD00'), '#000')
  t.equal(textColourOn('#6b6b6b'), '#fff')
})
