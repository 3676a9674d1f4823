import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../helpers/process.ts'
import { families, namesNobodySays, singleNames } from '../helpers/reserved-names.ts'

const example = (name: string): string => readFileSync(join(root, 'config', 'examples', name), 'utf8')

t.test('H25 H27 every example of a proxy takes out what no client may say', async (t) => {
  const byName = {
    'nginx.conf': (name: string) => new RegExp(`^ +proxy_set_header ${name} "";$`, 'im'),
    'traefik.yaml': (name: string) => new RegExp(`^ +${name}: ''$`, 'im'),
    'envoy.yaml': (name: string) => new RegExp(`^ +- ${name}$`, 'm'),
  }
  for (const [file, line] of Object.entries(byName))
    for (const name of [...namesNobodySays, 'http2-settings']) t.match(example(file), line(name), `${file}: ${name}`)
  const byFamily = {
    'haproxy.cfg': (start: string, whole: boolean) =>
      new RegExp(`^ +http-request del-header ${start}${whole ? '' : ' -m beg'}$`, 'm'),
    Caddyfile: (start: string, whole: boolean) =>
      new RegExp(`^\\t+request_header -${start}${whole ? '' : '\\*'}$`, 'im'),
  }
  for (const [file, line] of Object.entries(byFamily)) {
    for (const family of families) t.match(example(file), line(family, false), `${file}: ${family}`)
    for (const name of [...singleNames, 'http2-settings']) t.match(example(file), line(name, true), `${file}: ${name}`)
  }
})
