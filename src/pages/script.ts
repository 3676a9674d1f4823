import { createHash } from 'node:crypto'

/**
 * The one script of our pages. It keeps a sealed form in the tab, hands it back once the person is signed in, takes the `#fragment` of
 * an address along, and compares clocks. It reads nothing but what our own pages mark for it, and every page says what it is about without it too.
 */
export const SCRIPT = `'use strict'
const NAME = 'cognito-gateway.form'
const find = (role) => document.querySelector('[data-gateway="' + role + '"]')
const show = (state) => {
  for (const one of document.querySelectorAll('[data-when]')) one.hidden = one.dataset.when !== state
}
const forget = () => {
  try { sessionStorage.removeItem(NAME) } catch { /* where nothing can be kept, nothing was */ }
}

const keep = find('keep')
if (keep !== null) {
  try {
    sessionStorage.setItem(NAME, keep.dataset.sealed)
    show('kept')
  } catch {
    show('lost')
  }
}

const resume = find('resume')
if (resume !== null) {
  let sealed = null
  try { sealed = sessionStorage.getItem(NAME) } catch { /* as above */ }
  if (sealed === null) {
    show('nothing')
  } else {
    resume.elements.sealed.value = sealed
    resume.submit()
  }
}

if (find('forget') !== null) forget()

if (find('send') !== null) {
  let sent = false
  // Not on the form itself: its fields can have any name, those of a form's own members too.
  document.addEventListener('submit', (event) => {
    if (sent) event.preventDefault()
    sent = true
    forget()
  })
  find('discard').addEventListener('click', forget)
}

const clock = find('clock')
if (clock !== null) {
  const ahead = Math.round((Date.now() - Number(clock.dataset.now)) / 1000)
  const seconds = Math.abs(ahead) + ' seconds '
  clock.textContent = Math.abs(ahead) < 30 ? 'the same' : seconds + (ahead > 0 ? 'ahead of it' : 'behind it')
}

const onward = find('onward')
if (onward !== null) {
  const plain = onward.getAttribute('href')
  // Our addresses hold no backslash, and end with the place to come back to.
  const whole = plain + encodeURIComponent(location.hash.replaceAll('\\\\', '%5C'))
  location.replace(whole.length < 2000 ? whole : plain)
}
`

/** Changes with the script, so that no page runs the one of another version out of a cache. */
export const SCRIPT_VERSION = createHash('sha256').update(SCRIPT).digest('base64url').slice(0, 10)
