import type { IPAMBlock } from '@calico/api';
import type { ClusterView, NodeFacts, PodFacts } from './owner-state.ts';

/** An address in use, for tests: `at` is its ordinal. */
export interface Use {
  readonly at: number;
  readonly handle?: string;
  readonly attributes?: Record<string, string>;
  readonly alternate?: Record<string, string>;
  readonly sequence?: number;
  readonly releasedAt?: string;
}

/** Attributes of a pod's address. */
export function podOn(node: string, pod: string): Record<string, string> {
  return { node, pod, namespace: 'default' };
}

/** A block of eight addresses, 10.0.<index>.0/29. */
export function testBlock(index: number, affinity: string | null, uses: readonly Use[], sequence = 100): IPAMBlock {
  const allocations: (number | null)[] = Array.from({ length: 8 }, () => null);
  const sequences: Record<string, bigint> = {};
  for (const [i, { at, sequence: assigned = 1 }] of uses.entries()) {
    allocations[at] = i;
    sequences[at] = BigInt(assigned);
  }
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPAMBlock',
    metadata: { name: `10-0-${index}-0-29` },
    spec: {
      cidr: `10.0.${index}.0/29`,
      affinity,
      allocations,
      unallocated: allocations.flatMap((use, ordinal) => (use === null ? [ordinal] : [])),
      attributes: uses.map(({ at, handle = `net.${at}`, attributes = {}, alternate, releasedAt }) =>
        releasedAt !== undefined
          ? { releasedAt }
          : {
              handle_id: handle,
              secondary: attributes,
              ...(alternate === undefined ? {} : { alternateOwnerAttrs: alternate }),
            },
      ),
      sequenceNumber: BigInt(sequence),
      sequenceNumberForAllocation: sequences,
      strictAffinity: false,
      deleted: false,
    },
  };
}

/** A cluster to look at, that a test changes as it goes. */
export class TestCluster implements ClusterView {
  readonly pods = new Map<string, PodFacts>();
  readonly nodes = new Map<string, NodeFacts>();
  readonly vms = new Map<string, boolean>();

  constructor(...nodes: string[]) {
    for (const node of nodes) this.nodes.set(node, { state: 'present', kubernetesName: node });
  }

  /** A pod of the namespace `default`. */
  run(name: string, node: string | undefined, addresses: string[] = [], evicted = false): void {
    this.pods.set(`default/${name}`, { node, addresses, evicted });
  }

  pod(namespace: string, name: string): PodFacts | undefined {
    return this.pods.get(`${namespace}/${name}`);
  }

  node(name: string): NodeFacts {
    return this.nodes.get(name) ?? { state: 'gone', kubernetesName: name };
  }

  vm(namespace: string, name: string): boolean | undefined {
    return this.vms.get(`${namespace}/${name}`);
  }
}
