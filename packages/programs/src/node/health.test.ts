import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HealthAggregator, type HttpServer, healthServer, systemClock } from '@calico/process';
import { type HealthFlags, notReady } from './health.ts';

let folder: string;
let felix: HttpServer;
let health: HealthAggregator;
let bird: Server | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'calico-health-'));
  writeFileSync(join(folder, 'nodename'), 'n');
  health = new HealthAggregator(systemClock);
  health.register({ name: 'Felix' });
  felix = healthServer({ host: '127.0.0.1', port: 0 }, health);
  await felix.start();
});
afterEach(async () => {
  await felix.stop();
  bird?.close();
  bird = undefined;
  rmSync(folder, { recursive: true });
});

/** A BIRD with one session. */
function startBird(bgpState: string): Promise<void> {
  const answers: Record<string, string> = {
    'show status':
      '1000-BIRD 2.0.12\n1011-Router ID is 192.0.2.1\n Current server time is now\n Last reboot on then\n Last reconfiguration on then\n0013 Daemon is up and running\n',
    'show protocols all': `2002-Name Proto Table State Since Info\n1002-Mesh_192_0_2_2 BGP --- up 12:00:00 ${bgpState}\n1006-  BGP state:          ${bgpState}\n     Neighbor address: 192.0.2.2\n     Neighbor AS:      64512\n0000 \n`,
  };
  bird = createServer(socket => {
    socket.write('0001 BIRD 2.0.12 ready.\n');
    socket.on('data', bytes => socket.write(answers[bytes.toString().trim()] ?? '9001 what?\n'));
    socket.on('error', () => {});
  });
  return new Promise(resolve => bird?.listen(join(folder, 'bird.ctl'), resolve));
}

function ask(flags: Partial<HealthFlags>): Promise<string | undefined> {
  const env = {
    NODENAME: 'n',
    CALICO_RUN_DIR: folder,
    CALICO_LIB_DIR: folder,
    FELIX_HEALTHHOST: '127.0.0.1',
    FELIX_HEALTHPORT: String(felix.port),
  };
  return notReady(env, { thresholdTime: '30s', ...flags });
}

test('Felix is asked for what the flags say, and its own words are given', async () => {
  health.report('Felix', { live: true, ready: false, detail: 'the kernel refuses' });
  expect(await ask({ felixLive: true })).toBeUndefined();
  expect(await ask({ felixReady: true })).toBe(
    'calico/node is not ready: Felix is not ready: Felix is not ready: the kernel refuses',
  );
  health.report('Felix', { live: true, ready: true });
  expect(await ask({ felixReady: true })).toBeUndefined();
});

test('BIRD is live while it answers', async () => {
  expect(await ask({ birdLive: true })).toContain('BIRD is not live: ');
  await startBird('Active');
  expect(await ask({ birdLive: true, bird6Live: true })).toBeUndefined();
});

test('BIRD is ready while a session stands, and IPv6 has none to stand', async () => {
  await startBird('Active');
  expect(await ask({ birdReady: true, bird6Ready: true })).toBe(
    'calico/node is not ready: BIRD is not ready: BGP not established with 192.0.2.2',
  );
  bird?.close();
  await startBird('Established');
  expect(await ask({ birdReady: true, bird6Ready: true })).toBeUndefined();
});

test('all causes are given', async () => {
  expect((await ask({ felixLive: true, felixReady: true, birdLive: true, birdReady: true }))?.split('\n')).toHaveLength(
    3,
  );
});

test('without the file of the node’s name BIRD is not ready, however long ago the start was', async () => {
  await startBird('Established');
  utimesSync(join(folder, 'nodename'), 0, 0);
  expect(await ask({ birdReady: true })).toBeUndefined();
  rmSync(join(folder, 'nodename'));
  expect(await ask({ birdReady: true })).toContain('BIRD is not ready: ENOENT');
});

test('a threshold that is no duration is refused', async () => {
  expect(ask({ birdLive: true, thresholdTime: '30' })).rejects.toThrow('--threshold-time is "30"; allowed: a duration');
});
