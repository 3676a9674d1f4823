import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startProgram } from '../helpers/program.ts'
import { freePort, startWorld } from '../helpers/world.ts'

const skip =
  existsSync('/usr/sbin/nginx') && existsSync('/usr/sbin/fcgiwrap') ? false : 'no nginx and fcgiwrap on this machine'

/** Debian's nginx with a CGI that prints its environment: an application that nobody here wrote, and that folds header names. */
async function startNginx(t: { teardown(fn: () => unknown): unknown }): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  const script = join(folder, 'env.cgi')
  writeFileSync(script, '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\nenv | sort\nprintf "BODY="\ncat\n')
  chmodSync(script, 0o755)
  mkdirSync(join(folder, 'logs'))
  const socket = join(folder, 'cgi.sock')
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/logs/error.log;
events {}
http {
  access_log off;
  underscores_in_headers on; ignore_invalid_headers off;
  client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi; proxy_temp_path ${folder}/proxy; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    location / { include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME ${script}; fastcgi_pass unix:${socket}; }
  }
}
`,
  )
  const cgi = spawn('/usr/sbin/fcgiwrap', ['-s', `unix:${socket}`], { stdio: 'ignore' })
  execFileSync('/usr/sbin/nginx', ['-t', '-q', '-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'ignore' })
  t.teardown(() => {
    cgi.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await startProgram(t, ['/usr/sbin/nginx', '-c', join(folder, 'nginx.conf'), '-p', folder], port)
  return `http://127.0.0.1:${port}`
}

t.test(
  'an application that nobody here wrote learns who is there, and no forged header becomes its environment',
  { skip },
  async (t) => {
    const { url, client } = await startWorld(t, { upstream: await startNginx(t) })
    const browser = client()
    await browser.signIn(`${url}/cgi`)
    const forged = {
      'X-Forwarded-Email': 'mallory@x',
      X_Forwarded_Email: 'mallory@x',
      'X.Forwarded.Email': 'mallory@x',
      Remote_User: 'mallory',
      Proxy: 'http://evil',
    }
    const answer = await browser.ask(`${url}/cgi?x=%20y`, {
      method: 'POST',
      headers: { ...forged, 'content-type': 'text/plain', origin: url },
      body: 'gr\xfc\xdfe',
    })
    t.equal(answer.status, 200)
    t.match(answer.text, 'HTTP_X_FORWARDED_EMAIL=alice@example.com')
    t.match(answer.text, 'HTTP_X_FORWARDED_GROUPS=admins,ops')
    t.match(answer.text, 'QUERY_STRING=x=%20y')
    t.match(answer.text, 'CONTENT_TYPE=text/plain')
    t.notMatch(answer.text, /mallory|HTTP_PROXY|__Host-gateway/)
    const stranger = await client().ask(`${url}/public/x`, { headers: forged })
    t.notMatch(stranger.text, /HTTP_X_FORWARDED_EMAIL|mallory|HTTP_PROXY/)
  },
)
