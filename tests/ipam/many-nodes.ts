import { IPPool } from '@calico/api';
import type { Client } from '@calico/datastore';
import { Ipam, toSettings } from '@calico/ipam';
import { TroubledClient } from '@calico/ipam/testing';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { SimStore } from './sim-store.ts';
import { Timeline } from './timeline.ts';

/** A cluster that fills its pools. */
export interface Filling {
  readonly nodes: number;
  readonly podsPerNode: number;
  readonly pools: readonly string[];
  readonly blockSize: number;
  readonly seed: number;
  /** Addresses of all pools together. */
  readonly capacity: number;
}

/** What it took. */
export interface Filled {
  /** Datastore operations of each ADD, the fewest first. */
  readonly operations: readonly number[];
  /** Those of the most expensive ADD, one by one. */
  readonly worst: readonly string[];
  readonly failed: number;
  /** How many different addresses were given. */
  readonly distinct: number;
  /** Virtual time, in milliseconds. */
  readonly ms: number;
}

/** 1,000 nodes of 50 pods on 832 blocks of 64 addresses: 94 % are used in the end, and every sixth node has no block. */
export const THOUSAND_NODES: Filling = {
  nodes: 1000,
  podsPerNode: 50,
  pools: ['10.0.0.0/17', '10.1.0.0/18', '10.2.0.0/20'],
  blockSize: 26,
  seed: 1,
  capacity: 53_248,
};

/** How long an operation of the datastore takes, in milliseconds. */
const [LEAST_MS, MOST_MS] = [1, 5];
/** How long a node waits between two pods on average, in milliseconds. */
const BETWEEN_PODS_MS = 100;

/** Starts all pods of all nodes: the nodes at once, each about ten pods a second, while operations take milliseconds. */
export async function fill({ nodes, podsPerNode, pools, blockSize, seed }: Filling): Promise<Filled> {
  const random = seededRandom(seed);
  const store = new SimStore();
  for (const [i, cidr] of pools.entries()) {
    await store.create(IPPool, {
      apiVersion: IPPool.apiVersion,
      kind: 'IPPool',
      metadata: { name: `pool-${i}` },
      spec: { cidr, blockSize },
    });
  }
  const settings = toSettings(store.all(IPPool), undefined, []);
  const time = new Timeline(random);
  const clock = Object.assign(new ClockFake(), { sleep: (ms: number) => time.sleep(ms) });
  const addresses = new Set<string>();
  const operations: number[] = [];
  let worst: readonly string[] = [];
  let failed = 0;
  const live = async (node: string): Promise<void> => {
    const client = new TroubledClient(
      store as unknown as Client,
      () => 'done',
      () => time.between(LEAST_MS, MOST_MS),
    );
    const ipam = new Ipam({ client, clock, random, settings: { read: async () => settings } });
    for (let pod = 0; pod < podsPerNode; pod++) {
      await time.pause(BETWEEN_PODS_MS);
      client.log.length = 0;
      const { ipv4 } = await ipam.autoAssign({
        node,
        nodeLabels: {},
        handle: `net.${node}-${pod}`,
        attributes: { pod: `${node}-${pod}`, namespace: 'default', node },
        ipv4: 1,
        ipv6: 0,
        intendedUse: 'Workload',
      });
      if (ipv4.length === 0) failed++;
      for (const { addr } of ipv4) addresses.add(String(addr.value));
      operations.push(client.log.length);
      if (client.log.length > worst.length) worst = client.log.map(({ op, resource }) => `${op} ${resource}`);
    }
  };
  await time.during(Promise.all(Array.from({ length: nodes }, (_, i) => live(`node-${i}`))));
  return { operations: operations.sort((a, b) => a - b), worst, failed, distinct: addresses.size, ms: time.now };
}

/** The number of operations that a share of the ADDs does not exceed. */
export function percentile({ operations }: Filled, share: number): number {
  return operations[Math.min(operations.length - 1, Math.floor(operations.length * share))] ?? 0;
}
