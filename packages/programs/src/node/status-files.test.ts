import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkloadEndpoint } from '@calico/api';
import type { LocalEndpoint, Message } from '@calico/calc';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { createLogger, systemClock } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { LocalRoutes } from '../cni-local-routes.ts';
import { statusFileName } from '../endpoint-status-file.ts';
import { EndpointStatuses } from './endpoint-statuses.ts';
import { StatusFiles } from './status-files.ts';

let prefix: string;
let folder: string;
let kernel: FakeKernel;
let files: StatusFiles;
let statuses: EndpointStatuses;
let lines: string[];

beforeEach(() => {
  prefix = mkdtempSync(join(tmpdir(), 'status-'));
  folder = join(prefix, 'endpoint-status');
  kernel = fakeKernel();
  lines = [];
  files = makeFiles(prefix);
  statuses = new EndpointStatuses(kernel, [files]);
});
afterEach(async () => {
  await files.stop();
  rmSync(prefix, { recursive: true });
});

function makeFiles(prefix: string): StatusFiles {
  const log = createLogger({ component: 'test', write: line => void lines.push(line) });
  return new StatusFiles({ prefix, clock: systemClock, random: seededRandom(1), log });
}

const program = { tiers: [], profiles: [] };
const update = (pod: string, more: Partial<LocalEndpoint> = {}): Message => ({
  kind: 'endpointUpdate',
  id: `shop/node1-k8s-${pod}-eth0`,
  endpoint: {
    ...{ name: `cali${pod}`, orchestrator: 'k8s', namespace: 'shop', workload: pod, active: true },
    ...{ key: { orchestrator: 'k8s', workload: `shop/${pod}`, endpoint: 'eth0' } },
    ...{ mac: 'ee:ee:ee:ee:ee:ee', ipv4: ['10.0.0.1/32'], ipv6: [], ingress: program, egress: program },
    ...{ allowSpoofedSources: [], floatingIps: [], ...more },
  },
});
const remove = (pod: string): Message => ({ kind: 'endpointRemove', id: `shop/node1-k8s-${pod}-eth0` });

/** What Felix does with messages: a write that works. */
function write(...messages: Message[]): void {
  statuses.handle(messages);
  statuses.writing();
  statuses.written();
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited 10 s in vain; there are ${names()}`);
    await Bun.sleep(2);
  }
}

const names = (): string[] => {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
};
const web = 'k8s shop%2Fweb eth0';
const isUp = (name: string) => kernel.createLink({ kind: 'dummy', name, up: true });

test('an endpoint has a file once its rules are written and its interface is up, with what Calico writes', async () => {
  statuses.handle([update('web'), update('down')]);
  isUp('caliweb');
  statuses.writing();
  expect(names()).toEqual([]);
  statuses.written();
  await until(() => names().length > 0);
  expect(names()).toEqual([web]);
  expect(JSON.parse(readFileSync(join(folder, web), 'utf8'))).toEqual({
    ifaceName: 'caliweb',
    mac: 'ee:ee:ee:ee:ee:ee',
    ipv4Nets: ['10.0.0.1/32'],
  });
  expect(statSync(join(folder, web)).mode & 0o777).toBe(0o644);
  isUp('calidown');
  statuses.linkChanged('calidown');
  write();
  await until(() => names().length === 2);
  kernel.setLink(kernel.link('caliweb')?.index ?? 0, { up: false });
  statuses.linkChanged('caliweb');
  write(remove('down'));
  await until(() => names().length === 0);
});

test('messages that come during a write wait for the next one', async () => {
  isUp('caliweb');
  isUp('calilate');
  statuses.handle([update('web')]);
  statuses.writing();
  statuses.handle([update('late')]);
  statuses.written();
  await until(() => names().length > 0);
  expect(names()).toEqual([web]);
  write();
  await until(() => names().length === 2);
});

test('what an earlier run left stays until the first write, and then goes where its endpoint has gone', async () => {
  mkdirSync(folder);
  for (const pod of ['web', 'gone']) writeFileSync(join(folder, `k8s shop%2F${pod} eth0`), '{"ifaceName":"old"}');
  isUp('caliweb');
  statuses.handle([update('web')]);
  statuses.writing();
  expect(names()).toHaveLength(2);
  statuses.written();
  await until(() => names().length === 1);
  await until(() => readFileSync(join(folder, web), 'utf8').includes('caliweb'));
});

test('a folder that cannot be written is tried again, and another prefix is followed', async () => {
  isUp('caliweb');
  const blocked = join(prefix, 'blocked');
  writeFileSync(blocked, '');
  await files.stop();
  files = makeFiles(blocked);
  statuses = new EndpointStatuses(kernel, [files]);
  write(update('web'));
  await until(() => lines.join('').includes('Status files could not be written'));
  rmSync(blocked);
  const inBlocked = join(blocked, 'endpoint-status');
  await until(() => existsSync(inBlocked) && readdirSync(inBlocked).length === 1);
  files.setPrefix(prefix);
  await until(() => names().length === 1);
  files.setPrefix('');
  write(remove('web'));
  expect(names()).toEqual([web]);
});

test('a change costs its own file alone; every ten seconds what others did to the folder is put right', async () => {
  await files.stop();
  const clock = new ClockFake();
  const log = createLogger({ component: 'test', write: line => void lines.push(line) });
  files = new StatusFiles({ prefix, clock, random: seededRandom(1), log });
  statuses = new EndpointStatuses(kernel, [files]);
  for (const pod of ['web', 'next']) isUp(`cali${pod}`);
  write(update('web'));
  await until(() => names().length === 1);
  writeFileSync(join(folder, 'foreign'), '');
  write(update('next'));
  await until(() => names().length === 3);
  rmSync(join(folder, web));
  // The timer is set when a round has ended.
  await until(() => {
    clock.advance(10_000);
    return names().length === 2 && !names().includes('foreign');
  });
  expect(names()).toContain(web);
});

test('a folder that somebody took away is made again by the next change', async () => {
  for (const pod of ['web', 'next']) isUp(`cali${pod}`);
  write(update('web'));
  await until(() => names().length === 1);
  rmSync(folder, { recursive: true });
  write(update('next'));
  await until(() => names().length === 2);
});

test('a plugin without an agent starts its pod once the file is there', async () => {
  isUp('caliweb');
  const pod = {
    ...{ apiVersion: 'projectcalico.org/v3', kind: 'WorkloadEndpoint' },
    metadata: { name: 'node1-k8s-web-eth0', namespace: 'shop' },
    spec: { node: 'node1', orchestrator: 'k8s', pod: 'web', endpoint: 'eth0', interfaceName: 'caliweb' },
  } as WorkloadEndpoint;
  let started = false;
  const waiting = new LocalRoutes(kernel, systemClock)
    .endpointAdded(pod, { timeoutMs: 60_000, statusFolder: folder })
    .then(() => {
      started = true;
    });
  write(update('other'));
  await until(() => readdirSync(prefix).includes('endpoint-status'));
  expect(started).toBe(false);
  write(update('web'));
  await waiting;
  expect(names()).toEqual([web]);
});

test.each([
  ['k8s', 'shop/web-0', 'eth0', 'k8s shop%2Fweb-0 eth0'],
  ['openstack', 'a b+c:d@e=f&g$h', '(x)!', 'openstack a%20b+c:d@e=f&g$h %28x%29%21'],
])('a file of %s %s %s is called as Go escapes paths', (orchestrator, workload, endpoint, want) => {
  expect(statusFileName({ orchestrator, workload, endpoint })).toBe(want);
});
