// The tables of README that come from the code.

const cell = (text) => String(text).replaceAll('|', '\\|')

function between(readme, name, lines) {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [head, rest] = readme.split(begin)
  if (rest === undefined) throw new Error(`README.md lacks ${begin}`)
  return `${head}${begin}\n\n${lines.join('\n')}\n\n${end}${rest.split(end)[1]}`
}

function errorRows(catalogue) {
  const rows = Object.entries(catalogue).map(
    ([code, { status, says }]) => `| \`${code}\` | ${status} | ${cell(says)} |`,
  )
  return ['| code | status | says |', '| --- | --- | --- |', ...rows]
}

function metricRows(table) {
  const rows = Object.entries(table).map(
    ([name, { kind, labels, help }]) =>
      `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${cell(help)} |`,
  )
  return ['| name | kind | labels | what it counts |', '| --- | --- | --- | --- |', ...rows]
}

/** Settings that work today, with type, default and sentence; the others stand in the example file. */
function settingRows(settings) {
  const rows = settings
    .filter(({ supported }) => supported)
    .map(
      ({ path, type, default: value, sentence }) =>
        `| \`${path}\` | ${cell(type)} | ${value === undefined ? '' : `\`${cell(value)}\``} | ${cell(sentence)} |`,
    )
  return ['| setting | type | default | what it does |', '| --- | --- | --- | --- |', ...rows]
}

/** Seconds in words; a sentence stays as it is. */
function lifeOf(lives) {
  if (typeof lives === 'string') return lives
  const [count, unit] = lives % 3_600 === 0 ? [lives / 3_600, 'hour'] : [lives / 60, 'minute']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

function cookieRows(cookies) {
  const rows = Object.values(cookies).map(
    ({ name, lives, holds }) => `| \`${name.endsWith('-') ? `${name}…` : name}\` | ${lifeOf(lives)} | ${cell(holds)} |`,
  )
  return ['| cookie | lives | holds |', '| --- | --- | --- |', ...rows]
}

/** README with its generated parts brought up to date. */
export function withTables(readme, { catalogue, metricTable, ownCookies, settings }) {
  const withErrors = between(readme, 'errors', errorRows(catalogue))
  const withMetrics = between(withErrors, 'metrics', metricRows(metricTable))
  const withCookies = between(withMetrics, 'cookies', cookieRows(ownCookies))
  return between(withCookies, 'settings', settingRows(settings))
}
