import { afterEach, beforeEach, expect, test } from 'bun:test';
import type { LocalEndpoint } from '@calico/calc';
import { createLogger } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import type { EndpointStatus } from './endpoint-statuses.ts';
import { felixSettings } from './felix-config.ts';
import { StatusReports } from './status-reports.ts';

/** Keys of an etcd, with the TTL of those that have one. */
const stored = new Map<string, string>();
const ttls = new Map<string, number>();
let writes: number;
let refuses: boolean;
let clock: ClockFake;
let reports: StatusReports;

const values = {
  list: async (prefix: string) => new Map([...stored].filter(([key]) => key.startsWith(prefix))),
  async put(key: string, value: string, { ttlSeconds }: { ttlSeconds?: number } = {}) {
    if (refuses) throw new Error('no answer');
    writes++;
    stored.set(key, value);
    if (ttlSeconds !== undefined) ttls.set(key, ttlSeconds);
  },
  async delete(key: string) {
    writes++;
    stored.delete(key);
  },
};

const configOf = (raw: Record<string, string>) => felixSettings('node1', raw).agent;

beforeEach(() => {
  stored.clear();
  ttls.clear();
  writes = 0;
  refuses = false;
  clock = new ClockFake();
  const log = createLogger({ component: 'test', write: () => {} });
  const config = configOf({ EndpointReportingEnabled: 'true' });
  reports = new StatusReports({ nodeName: 'node1', values, config, clock, random: seededRandom(1), log });
  reports.start();
});
afterEach(() => reports.stop());

const status = (pod: string, up: boolean): EndpointStatus => {
  const key = { orchestrator: 'k8s', workload: `shop/${pod}`, endpoint: 'eth0' };
  return { endpoint: { key } as LocalEndpoint, up };
};
const host = '/calico/felix/v2/no-region/host/node1';
const keyOf = (pod: string) => `${host}/workload/k8s/shop%2f${pod}/endpoint/eth0`;
const workloads = () => Object.fromEntries([...stored].filter(([key]) => key.includes('/workload/')));

test('Felix says that it lives after ten seconds, then at its interval, in a key that goes without it and one that stays', async () => {
  await clock.advance(9_999);
  expect(stored.size).toBe(0);
  await clock.advance(1);
  const first = { time: expect.stringMatching(/^\d{4}-.*Z$/), uptime: 10, first_update: true };
  expect(JSON.parse(stored.get(`${host}/status`) ?? '')).toEqual(first);
  expect(JSON.parse(stored.get(`${host}/last_reported_status`) ?? '')).toEqual(first);
  expect([...ttls]).toEqual([[`${host}/status`, 90]]);
  await clock.advance(30_000);
  expect(JSON.parse(stored.get(`${host}/status`) ?? '')).toMatchObject({ uptime: 40, first_update: false });
  reports.setConfig(configOf({ ReportingIntervalSecs: '0' }));
  writes = 0;
  await clock.advance(600_000);
  expect(writes).toBe(0);
});

test('endpoints are reported together, a delay after the first change; what nobody has any more goes', async () => {
  stored.set(keyOf('gone'), '{"status":"up"}');
  stored.set('/calico/felix/v2/no-region/host/node2/workload/k8s/x/endpoint/eth0', '{"status":"up"}');
  reports.changed('shop/web', status('web', true));
  await clock.advance(5_000);
  expect(writes).toBe(0);
  reports.inSync();
  await clock.advance(600);
  reports.changed('shop/db', status('db', false));
  await clock.advance(400);
  expect(workloads()).toEqual({
    '/calico/felix/v2/no-region/host/node2/workload/k8s/x/endpoint/eth0': '{"status":"up"}',
    [keyOf('web')]: '{"status":"up"}',
    [keyOf('db')]: '{"status":"down"}',
  });
  reports.changed('shop/web', undefined);
  reports.changed('shop/db', status('db', true));
  await clock.advance(1_000);
  expect([stored.get(keyOf('web')), stored.get(keyOf('db'))]).toEqual([undefined, '{"status":"up"}']);
});

test('what others take away is found after a while, and what is refused is tried again', async () => {
  refuses = true;
  reports.inSync();
  reports.changed('shop/web', status('web', true));
  await clock.advance(5_000);
  refuses = false;
  await clock.advance(60_000);
  expect(stored.get(keyOf('web'))).toBe('{"status":"up"}');
  stored.delete(keyOf('web'));
  await clock.advance(180_000);
  expect(stored.get(keyOf('web'))).toBe('{"status":"up"}');
});

test('nothing is said of endpoints until it is asked for, and the region is part of the keys', async () => {
  reports.setConfig(configOf({}));
  reports.inSync();
  reports.changed('shop/web', status('web', true));
  await clock.advance(60_000);
  expect(workloads()).toEqual({});
  reports.setConfig(configOf({ EndpointReportingEnabled: 'true', OpenstackRegion: 'one' }));
  await clock.advance(1_000);
  expect(Object.keys(workloads())).toEqual([
    '/calico/felix/v2/region-one/host/node1/workload/k8s/shop%2fweb/endpoint/eth0',
  ]);
});
