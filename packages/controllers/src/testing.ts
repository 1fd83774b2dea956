import { ClusterInformation, IPPool, Node, Pod } from '@calico/api';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { printAddr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { createMetrics } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import type { ControllerContext } from './context.ts';
import { Views } from './view.ts';

/** A line that a controller logged. */
export interface Line {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A cluster in memory that controllers work on, for tests. */
export interface TestWorld {
  readonly kubernetes: MemoryClient;
  /** The same as `kubernetes` unless the stores are separate. */
  readonly calico: MemoryClient;
  readonly clock: ClockFake;
  readonly ipam: Ipam;
  /** What one more process, started now, works with. */
  open(): ControllerContext & { readonly lines: Line[]; stop(): void };
  /** An address for a pod, as the CNI plugin takes one. */
  addPod(node: string, name: string): Promise<string>;
}

/** A world with a pool of /29 blocks and an unlocked datastore. */
export async function newTestWorld(options: { readonly separate?: boolean } = {}): Promise<TestWorld> {
  const clock = new ClockFake();
  const kubernetes = memoryClient({ clock });
  const calico = options.separate === true ? memoryClient({ clock }) : kubernetes;
  const ipam = new Ipam({ client: calico, clock, random: seededRandom(1) });
  await calico.create(ClusterInformation, {
    apiVersion: 'projectcalico.org/v3',
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec: { datastoreReady: true },
  });
  await calico.create(IPPool, {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'pool' },
    spec: { cidr: '10.0.0.0/24', blockSize: 29 },
  });
  return {
    kubernetes,
    calico,
    clock,
    ipam,
    open() {
      const end = new AbortController();
      const lines: Line[] = [];
      const note = (fields: Line['fields'], message: string) => void lines.push({ fields, message });
      const log = { debug: note, info: note, warn: note };
      const random = seededRandom(2);
      const { signal } = end;
      return {
        stores: { calico, kubernetes },
        views: new Views({ clock, random, signal }),
        ipam: new Ipam({ client: calico, clock, random }),
        metrics: createMetrics(),
        finalizers: false,
        clock,
        random,
        log,
        signal,
        lines,
        stop: () => end.abort(),
      };
    },
    async addPod(node, name) {
      const { ipv4 } = await ipam.autoAssign({
        node,
        nodeLabels: {},
        handle: `net.${name}`,
        attributes: { namespace: 'default', node, pod: name },
        ipv4: 1,
        ipv6: 0,
        intendedUse: 'Workload',
      });
      const [address] = ipv4.map(({ addr }) => printAddr(addr));
      if (address === undefined) throw new Error('no address was left');
      await kubernetes.create(Pod, newPod(node, name, address));
      return address;
    },
  };
}

/** A running pod of the namespace `default`. */
export function newPod(node: string, name: string, address: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'none' }] },
    status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
  };
}

/** Makes nodes of Kubernetes. */
export async function addNodes(client: MemoryClient, ...names: string[]): Promise<void> {
  for (const name of names) {
    await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} });
  }
}

/** The addresses in use, in order. */
export async function addressesInUse(ipam: Ipam): Promise<number> {
  return (await ipam.usage()).pools.reduce((sum, { allocated }) => sum + allocated, 0);
}
