import { afterEach, beforeEach, expect, test } from 'bun:test';
import { ClusterInformation } from '@calico/api';
import { Desk } from './testing.ts';

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => desk.close());

test('a configuration file that cannot be used is named on stdout', async () => {
  desk.file('ctl.cfg', 'kind: Other\n');
  expect(await desk.run('get ippools -c $DIR/ctl.cfg')).toEqual({
    code: 1,
    out: 'Error reading config file: ctl.cfg: kind is "Other"; allowed: "CalicoAPIConfig"\n',
    err: '',
  });
  const { code, out } = await desk.run('get ippools -c $DIR/none.cfg');
  expect(code).toBe(1);
  expect(out).toStartWith('Error reading config file: none.cfg: ENOENT');
});

test('datastore migrate lock and unlock say whether it is ready, also in one that nobody has used', async () => {
  const ready = async () => (await desk.client.get(ClusterInformation, { name: 'default' })).spec.datastoreReady;
  expect(await desk.run('datastore migrate lock')).toEqual({ code: 0, out: 'Datastore locked.\n', err: '' });
  expect(await ready()).toBe(false);
  expect((await desk.run('datastore migrate lock')).code).toBe(0);
  expect(await desk.run('datastore migrate unlock')).toEqual({ code: 0, out: 'Datastore unlocked.\n', err: '' });
  expect(await ready()).toBe(true);
  expect((await desk.run('datastore migrate export')).code).toBe(1);
  expect((await desk.run('datastore migrate-policy-names')).err).toContain('allowed: datastore migrate lock');
});
