import { BlockAffinity, IPAMBlock, IPAMConfiguration, IPAMHandle, IPPool, IPReservation, type Node } from '@calico/api';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { printCidr } from '@calico/ip';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { Ipam } from './ipam.ts';
import type { AutoAssignRequest } from './requests.ts';

/** A datastore in memory with IPAM on it, for tests. */
export interface World {
  readonly client: MemoryClient;
  readonly clock: ClockFake;
  /** One more process with its own memory. */
  open(seed?: number): Ipam;
  pool(name: string, spec: IPPool['spec']): Promise<void>;
  change(pool: string, spec: Partial<IPPool['spec']>): Promise<void>;
  configure(spec: Partial<IPAMConfiguration['spec']>): Promise<void>;
  reserve(...cidrs: string[]): Promise<void>;
}

const apiVersion = 'projectcalico.org/v3';

/** A world without pools. */
export function newWorld(): World {
  // Time stands still; who waits for others to go first waits for nothing.
  const clock = Object.assign(new ClockFake(), { sleep: async () => {} });
  const client = memoryClient({ clock });
  return {
    client,
    clock,
    open: (seed = 1) => new Ipam({ client, clock, random: seededRandom(seed) }),
    async pool(name, spec) {
      await client.create(IPPool, { apiVersion, kind: 'IPPool', metadata: { name }, spec });
    },
    async change(name, spec) {
      await client.patch(IPPool, { name }, { spec }, { type: 'merge' });
    },
    async configure(spec) {
      await client.create(IPAMConfiguration, {
        apiVersion,
        kind: 'IPAMConfiguration',
        metadata: { name: 'default' },
        spec: { strictAffinity: false, autoAllocateBlocks: true, ...spec },
      });
    },
    async reserve(...reservedCIDRs) {
      await client.create(IPReservation, {
        apiVersion,
        kind: 'IPReservation',
        metadata: { name: 'reserved' },
        spec: { reservedCIDRs },
      });
    },
  };
}

/** A request for one IPv4 address of a pod. */
export function podRequest(node: string, pod: string, more: Partial<AutoAssignRequest> = {}): AutoAssignRequest {
  const attributes = { namespace: 'default', node, pod };
  return { node, nodeLabels: {}, handle: `net.${pod}`, attributes, ipv4: 1, ipv6: 0, intendedUse: 'Workload', ...more };
}

/** The addresses of a request, as text without length; fails unless all were given out. */
export async function assign(ipam: Ipam, request: AutoAssignRequest): Promise<string[]> {
  const { ipv4, ipv6, notes } = await ipam.autoAssign(request);
  if (notes.length > 0) throw new Error(notes.join('; '));
  return [...ipv4, ...ipv6].map(cidr => printCidr(cidr).replace(/\/.*/, ''));
}

/** A node of Kubernetes with labels. */
export function newNode(name: string, labels: Record<string, string>): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} };
}

/** All that IPAM keeps in a world; what is marked as deleted counts as deleted. */
export async function everything({ client }: Pick<World, 'client'>): Promise<{
  blocks: IPAMBlock[];
  affinities: BlockAffinity[];
  handles: IPAMHandle[];
}> {
  const present = <R extends { spec: { deleted?: boolean } }>(items: R[]) =>
    items.filter(({ spec }) => spec.deleted !== true);
  return {
    blocks: present((await client.list(IPAMBlock)).items),
    affinities: present((await client.list(BlockAffinity)).items),
    handles: present((await client.list(IPAMHandle)).items),
  };
}
