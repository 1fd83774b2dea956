import { afterEach, beforeEach, expect, test } from 'bun:test';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => desk.close());

test('node status shows the sessions of each family, and none that Calico did not configure', async () => {
  const session = (name: string, neighbourAddress: string, state: string, info: string) => ({
    name,
    neighbourAddress,
    state,
    since: '2026-11-21 05:00:00',
    info,
  });
  desk.node = {
    running: true,
    sessions: [
      session('Mesh_192_0_2_12', '192.0.2.12', 'up', 'Established'),
      session('Global_192_0_2_1', '192.0.2.1', 'start', 'Active        Socket: Connection refused'),
      session('Node_fd00__1', 'fd00::1', 'up', 'Established'),
      session('uplink', '198.51.100.1', 'up', 'Established'),
    ],
  };
  const all = await desk.run('node status');
  desk.node = { running: true, sessions: [] };
  const none = await desk.run('node status');
  desk.node = { running: true, sessions: undefined };
  const noDaemon = await desk.run('node status');
  expect([all, none, noDaemon].map(({ code, err }) => `${code}${err}`)).toEqual(['0', '0', '0']);
  expectGolden('node-status.txt', [all, none, noDaemon].map(({ out }) => `$ calicoctl node status\n${out}`).join(''));
});

test('node status fails when nothing runs', async () => {
  expect(await desk.run('node status')).toEqual({ code: 1, out: '', err: 'Calico process is not running.\n' });
});
