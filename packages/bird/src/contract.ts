import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BirdControl } from './bird-control.ts';
import type { BirdDaemon } from './bird-daemon.ts';

/** A BIRD to be, with a folder of its own. */
export interface BirdSetting {
  readonly daemon: BirdDaemon;
  readonly folder: string;
  /** Another daemon for the same BIRD. */
  another(): BirdDaemon;
  close(): Promise<void>;
}

const base = (routerId: string) => `router id ${routerId};
log stderr all;
timeformat protocol iso long ms;
timeformat base iso long ms;
protocol device {
}
`;

const session = (name: string, address: string) => `protocol bgp ${name} {
  local 192.0.2.1 port 1790 as 64512;
  neighbor ${address} as 64600;
  multihop;
  ipv4 { import none; export none; };
}
`;

/** The suite that every form of BIRD passes: its control socket, and its life under the daemon. */
export function birdContract(name: string, open: () => BirdSetting): void {
  describe(`BIRD contract: ${name}`, () => {
    let setting: BirdSetting;
    let daemon: BirdDaemon;
    let control: BirdControl;

    beforeEach(() => {
      setting = open();
      daemon = setting.daemon;
      control = daemon.control;
    });
    afterEach(() => setting.close());

    test('is unreachable before it was started', async () => {
      for (const ask of ['status', 'protocols', 'bgpSessions', 'routes', 'configure', 'shutdown'] as const) {
        expect(control[ask]()).rejects.toMatchObject({ name: 'BirdError', code: 'Unreachable' });
      }
      expect(daemon.health()).toEqual({ live: true, ready: false, detail: 'no configuration yet' });
    });

    test('tells its version, router id and times', async () => {
      await daemon.apply(base('192.0.2.1'));
      const status = await control.status();
      expect(status).toMatchObject({
        routerId: '192.0.2.1',
        recovering: false,
        message: 'Daemon is up and running',
      });
      expect(status.version).toMatch(/^2\.\d+/);
      for (const time of [status.currentTime, status.lastReboot, status.lastReconfiguration]) {
        expect(time).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
      }
      expect(daemon.health()).toEqual({ live: true, ready: true, detail: 'BIRD is running' });
    });

    test('tells its protocols and sessions', async () => {
      await daemon.apply(base('192.0.2.1') + session('Global_192_0_2_2', '192.0.2.2'));
      const [device, global, ...others] = await control.protocols();
      expect(device).toMatchObject({ name: 'device1', proto: 'Device', state: 'up', info: '' });
      expect(global).toMatchObject({ name: 'Global_192_0_2_2', proto: 'BGP', state: 'start', info: 'Active' });
      expect(global?.since).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
      expect(others).toEqual([]);
      expect(await control.bgpSessions()).toMatchObject([
        {
          name: 'Global_192_0_2_2',
          bgpState: 'Active',
          neighbourAddress: '192.0.2.2',
          neighbourAs: 64600,
          routes: undefined,
        },
      ]);
    });

    test('tells its routes', async () => {
      await daemon.apply(base('192.0.2.1'));
      expect(await control.routes()).toEqual([]);
      const blackhole = 'protocol static static1 {\n  ipv4;\n  route 10.65.0.0/26 blackhole;\n}\n';
      await daemon.apply(`${base('192.0.2.1')}${blackhole}`);
      expect(await control.routes()).toEqual([
        { destination: '10.65.0.0/26', kind: 'blackhole', from: 'static1', primary: true, nexthops: [] },
      ]);
    });

    test('takes a new configuration while it runs', async () => {
      await daemon.apply(base('192.0.2.1') + session('Global_192_0_2_2', '192.0.2.2'));
      const { pid } = daemon;
      await daemon.apply(base('192.0.2.1') + session('Node_192_0_2_3', '192.0.2.3'));
      expect(daemon.pid).toBe(pid as number);
      const sessions = await control.bgpSessions();
      expect(sessions.map(({ name }) => name)).toContain('Node_192_0_2_3');
    });

    test('keeps what it has when a configuration does not parse', async () => {
      await daemon.apply(base('192.0.2.1'));
      expect(daemon.apply('rubbish\n')).rejects.toMatchObject({ name: 'BirdError', code: 'Invalid' });
      await daemon.apply('rubbish\n').catch(() => undefined);
      expect((await control.status()).routerId).toBe('192.0.2.1');
      expect(daemon.health()).toMatchObject({ ready: false, detail: expect.stringContaining('syntax error') });
      await daemon.apply(base('192.0.2.1'));
      expect(daemon.health().ready).toBe(true);
    });

    test('refuses to read a file that does not parse', async () => {
      await daemon.apply(base('192.0.2.1'));
      writeFileSync(join(setting.folder, 'bird.cfg'), 'rubbish\n');
      expect(control.configure()).rejects.toMatchObject({
        code: 'Refused',
        message: expect.stringContaining('syntax error'),
      });
      await control.configure().catch(() => undefined);
      expect((await control.status()).routerId).toBe('192.0.2.1');
    });

    test('goes on without its daemon, and another daemon takes it over', async () => {
      await daemon.apply(base('192.0.2.1'));
      daemon.stop();
      const another = setting.another();
      try {
        await another.apply(base('192.0.2.1') + session('Global_192_0_2_2', '192.0.2.2'));
        expect(another.pid).toBeUndefined();
        expect((await another.control.bgpSessions()).length).toBe(1);
      } finally {
        another.stop();
      }
    });

    test('ends when asked to', async () => {
      await daemon.apply(base('192.0.2.1'));
      daemon.stop();
      await control.shutdown();
      let gone = false;
      for (let turn = 0; turn < 1000 && !gone; turn++) {
        gone = await control.status().then(
          () => false,
          error => error.code === 'Unreachable',
        );
      }
      expect(gone).toBe(true);
    });
  });
}
