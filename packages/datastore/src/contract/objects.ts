import type { GlobalNetworkSet, IPAMBlock, Namespace, NetworkSet, Node, Pod } from '@calico/api';

/** The namespace that the suite's objects are in. */
export const NAMESPACE = 'contract';

/** A namespace; the one of the suite when no name is given. */
export function namespace(name = NAMESPACE): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} };
}

/** A set of one network. */
export function globalNetworkSet(name: string, labels: Record<string, string> = {}): GlobalNetworkSet {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkSet',
    metadata: { name, labels },
    spec: { nets: ['192.0.2.0/24'] },
  };
}

/** A set of one network in a namespace. */
export function networkSet(name: string, inNamespace = NAMESPACE): NetworkSet {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkSet',
    metadata: { name, namespace: inNamespace },
    spec: { nets: ['192.0.2.0/24'] },
  };
}

/** A pod on a node, in the namespace of the suite. */
export function pod(name: string, nodeName: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: { nodeName, containers: [{ name: 'main', image: 'example.com/main:1' }] },
  };
}

/** A node that nothing is known of. */
export function node(name: string): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} };
}

/** A free block of four addresses. */
export function block(sequenceNumber: number | bigint): IPAMBlock {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPAMBlock',
    metadata: { name: '10-0-0-0-30' },
    spec: {
      cidr: '10.0.0.0/30',
      affinity: 'host:node-1',
      allocations: [null, null, null, null],
      unallocated: [0, 1, 2, 3],
      attributes: [],
      strictAffinity: false,
      sequenceNumber,
    },
  };
}
