import { afterEach, beforeEach, expect, test } from 'bun:test';
import { CalicoNodeStatus } from '@calico/api';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import type { BirdAnswer } from '@calico/node';
import { type Component, createLogger } from '@calico/process';
import { readNodeEnvironment } from './environment.ts';
import { statusReporter } from './status.ts';

const quiet = createLogger({ component: 'test', write: () => {} });

let client: MemoryClient;
let answer: BirdAnswer;
let asked: number;
let reporter: Component;
beforeEach(async () => {
  client = memoryClient({});
  answer = undefined;
  asked = 0;
  reporter = statusReporter(
    {
      datastore: { type: 'kubernetes', client, close() {} },
      environment: readNodeEnvironment({ NODENAME: 'node-1' }),
      log: quiet,
    },
    async () => {
      asked++;
      return answer;
    },
  );
  await reporter.start();
});
afterEach(() => reporter.stop());

const report = (name: string, node: string, updatePeriodSeconds: number): CalicoNodeStatus => ({
  apiVersion: CalicoNodeStatus.apiVersion,
  kind: 'CalicoNodeStatus',
  metadata: { name },
  spec: { node, classes: ['Agent', 'BGP'], updatePeriodSeconds },
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('waited 10 s in vain');
    await Bun.sleep(5);
  }
}

const status = async (name: string) => (await client.get(CalicoNodeStatus, { name })).status;

test('a report about this node is filled in, and kept up to date as often as it asks for', async () => {
  await client.create(CalicoNodeStatus, report('mine', 'node-1', 1));
  await until(async () => (await status('mine'))?.agent?.birdV4?.state === 'NotReady');
  answer = {
    status: {
      version: '2.0.12',
      routerId: '192.0.2.1',
      currentTime: '',
      lastReboot: 'then',
      lastReconfiguration: 'now',
      recovering: false,
      message: '',
    },
    sessions: [],
    routes: [],
  };
  await until(async () => (await status('mine'))?.agent?.birdV4?.state === 'Ready');
  expect(await status('mine')).toMatchObject({ bgp: { numberEstablishedV4: 0 } });
  expect((await status('mine'))?.lastUpdated).toMatch(/Z$/);
});

test('a report about another node, or one that is gone, is nobody’s here', async () => {
  await client.create(CalicoNodeStatus, report('other', 'node-2', 1));
  const mine = await client.create(CalicoNodeStatus, report('mine', 'node-1', 0));
  await until(async () => (await status('mine'))?.agent !== undefined);
  expect(await status('other')).toBeUndefined();
  const before = asked;
  // Asked for once only: nobody asks BIRD again until the report asks for something else.
  const { resourceVersion: _, ...metadata } = mine.metadata;
  await client.update(CalicoNodeStatus, { ...mine, metadata, spec: { ...mine.spec, classes: ['BGP'] } });
  await until(async () => (await status('mine'))?.agent === undefined);
  expect(asked).toBe(before + 1);
  await client.delete(CalicoNodeStatus, { name: 'mine' });
});
