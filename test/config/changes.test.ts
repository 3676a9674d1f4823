import t from 'tap'
import { changesBetween } from '../../src/config/changes.ts'
import { createWorkspace, minimalWith, newKey } from './workspace.ts'

t.test('changes are named once each, those that hold at once apart from those that wait for a start', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('control-token', newKey('control'))
  workspace.write('other-key', newKey('other'))
  const settings = (more: Readonly<Record<string, unknown>> = {}): string =>
    minimalWith({ 'control.token': { file: 'control-token' }, ...more })
  const before = workspace.load(settings())
  const named = (more: Readonly<Record<string, unknown>> = {}) => changesBetween(before, workspace.load(settings(more)))
  t.same(named(), { live: [], atRestart: [] })
  t.same(named({ 'log.level': 'debug', 'log.people': 'sub' }), { live: ['log.level'], atRestart: ['log.people'] })
  t.same(named({ 'session.keys': [{ file: 'other-key' }, { file: 'session-key' }] }).live, ['session.keys'])
  t.same(named({ 'pools.staff.clientSecret': undefined }).live, ['pools.staff.clientSecret'])
  t.same(named({ 'applications.more': { upstream: 'http://more', access: 'public', path: '/more' } }), {
    live: [],
    atRestart: ['applications.more'],
  })
  t.same(named({ 'pools.staff.scopes': ['openid'] }).atRestart, ['pools.staff.scopes'])
  workspace.write('control-token', newKey('another'))
  workspace.write('client-secret', 'another')
  workspace.write('session-key', newKey('another session'))
  t.same(named(), { live: ['pools.staff.clientSecret', 'session.keys'], atRestart: ['control.token'] })
})
