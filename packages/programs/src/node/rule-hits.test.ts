import { beforeEach, expect, test } from 'bun:test';
import { tableName } from '@calico/dataplane';
import { KernelError } from '@calico/kernel';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import type { PolicyProgram } from '@calico/policy';
import { createLogger } from '@calico/process';
import { ClockFake } from '@calico/reconcile';
import { hitsInterval, RuleHits, ruleHits } from './rule-hits.ts';

const name = 'np/default/web/ingress/0';
const policy: PolicyProgram = {
  id: 'np/default/web',
  tier: 'default',
  staged: false,
  ingress: [
    { index: 0, action: 'allow', matches: [] },
    { index: 1, action: 'deny', matches: [] },
  ],
  egress: [],
};

let kernel: FakeKernel;
let clock: ClockFake;
let hits: RuleHits;
let packets: { name: string; packets: number; bytes: number }[];
let lines: string[];

beforeEach(() => {
  kernel = fakeKernel();
  clock = new ClockFake();
  packets = [];
  lines = [];
  kernel.nftables.countersInSteps = function* () {
    yield;
    return packets;
  };
  hits = new RuleHits({
    kernel,
    clock,
    log: createLogger({ component: 'test', write: line => void lines.push(line) }),
  });
});

const count = (number: number) => {
  packets = [{ name, packets: number, bytes: 0 }];
};

test('the last hit is as old as the reading that found it, and hits of an earlier run have no time', async () => {
  count(5);
  const started = clock.wallTime();
  hits.start();
  await clock.advance(0);
  expect(hits.hits(name)).toEqual({ packets: 5, lastHit: undefined, since: started });
  await clock.advance(hitsInterval);
  expect(hits.hits(name)?.lastHit).toBeUndefined();
  count(6);
  await clock.advance(hitsInterval);
  const found = clock.wallTime();
  expect(hits.hits(name)).toEqual({ packets: 6, lastHit: found, since: started });
  await clock.advance(10 * hitsInterval);
  expect(hits.hits(name)?.lastHit).toBe(found);
  hits.stop();
});

test('a counter that comes after the start has been hit since the last reading', async () => {
  hits.start();
  await clock.advance(0);
  count(2);
  await clock.advance(hitsInterval);
  expect(hits.hits(name)).toEqual({ packets: 2, lastHit: clock.wallTime(), since: clock.wallTime() });
  hits.stop();
});

test('a counter that is made anew goes on where the one before it ended', async () => {
  count(5);
  hits.start();
  await clock.advance(0);
  count(2);
  await clock.advance(hitsInterval);
  expect(hits.hits(name)?.packets).toBe(7);
  packets = [];
  await clock.advance(hitsInterval);
  expect([...hits.present()]).toEqual([]);
  expect(hits.hits(name)?.packets).toBe(7);
  count(9);
  await clock.advance(hitsInterval);
  expect([...hits.present()]).toEqual([{ counter: name, packets: 16 }]);
  hits.stop();
});

test('a table that is not there counts nothing; a kernel that does not answer is asked again', async () => {
  kernel = fakeKernel();
  hits = new RuleHits({
    kernel,
    clock,
    log: createLogger({ component: 'test', write: line => void lines.push(line) }),
  });
  hits.start();
  await clock.advance(0);
  expect(hits.since).toBe(clock.wallTime());
  kernel.nftables.transaction({ family: 'inet', name: tableName }, [{ op: 'addTable' }, { op: 'addCounter', name }]);
  const { countersInSteps } = kernel.nftables;
  // biome-ignore lint/correctness/useYield: it fails at once
  kernel.nftables.countersInSteps = function* () {
    throw new KernelError('read counters', 105);
  };
  await clock.advance(hitsInterval);
  expect(lines.join('')).toContain('Counters of rules could not be read');
  expect(hits.hits(name)).toBeUndefined();
  kernel.nftables.countersInSteps = countersInSteps.bind(kernel.nftables);
  await clock.advance(hitsInterval);
  expect(hits.hits(name)?.packets).toBe(0);
  hits.stop();
});

test('an agent that stops before its first view is in the kernel reads nothing', async () => {
  hits.stop();
  hits.start();
  await clock.advance(hitsInterval);
  expect([hits.since, clock.timers]).toEqual([undefined, 0]);
});

test('of counters that are gone only so many are remembered', async () => {
  packets = Array.from({ length: 12_000 }, (_, i) => ({ name: `c${i}`, packets: 1, bytes: 0 }));
  await hits.refresh();
  packets = [];
  await hits.refresh();
  expect([hits.hits('c0'), hits.hits('c1999')]).toEqual([undefined, undefined]);
  expect(hits.hits('c2000')?.packets).toBe(1);
});

test('every rule of a policy in force is told with its hits, and none of a staged one', async () => {
  count(3);
  await hits.refresh();
  const staged = { ...policy, id: 'snp/default/later', staged: true };
  const told = [...ruleHits([policy, staged], hits)].map(({ counter, action, hits: counted }) => [
    counter,
    action,
    counted?.packets,
  ]);
  expect(told).toEqual([
    [name, 'allow', 3],
    ['np/default/web/ingress/1', 'deny', undefined],
  ]);
});
