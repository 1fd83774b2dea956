import { type Resource, workloadInterfaceName } from '@calico/api';
import { pod, policy, tiers } from '../flows/workload.ts';

const v3 = 'projectcalico.org/v3';

/** How large the cluster is, and how much of it concerns this node. */
export interface ClusterSize {
  readonly nodes: number;
  readonly remotePods: number;
  readonly localPods: number;
  /** Policies that select pods of this node. */
  readonly policies: number;
}

/** The node that is measured. */
export const thisNode = 'node-0';
/** Its address, which one of its interfaces must have. */
export const thisNodeAddress = '172.16.0.1/12';

/** Groups of local pods that have the same policies. */
const apps = 5;

/** The interface of the i-th local pod. */
export const localInterface = (i: number): string => workloadInterfaceName('default', `local-${i}`);

const nodeNet = (i: number) => `10.${64 + (i >> 8)}.${i & 255}`;

/** The cluster as the API server has it: a VXLAN pool, nodes with a block each, pods, policies of bench:flows' shapes. */
export function cluster({ nodes, remotePods, localPods, policies }: ClusterSize): Resource[] {
  const pool = {
    apiVersion: v3,
    kind: 'IPPool',
    metadata: { name: 'pool' },
    spec: { cidr: '10.64.0.0/12', vxlanMode: 'Always', natOutgoing: true, blockSize: 24 },
  } as unknown as Resource;
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } } as Resource,
    pool,
    ...Array.from({ length: nodes }, (_, i) => [node(i), block(i)]).flat(),
    ...tiers(),
    ...Array.from({ length: localPods }, (_, i) =>
      pod(`local-${i}`, thisNode, `${nodeNet(0)}.${10 + i}`, { app: `a${i % apps}` }),
    ),
    ...Array.from({ length: remotePods }, (_, i) => remotePod(i, nodes, policies)),
    ...Array.from({ length: policies }, (_, i) => appPolicy(i, policies)),
  ];
}

/** The i-th pod of another node, which one policy names as its peer, or with `shift` another one. */
export function remotePod(i: number, nodes: number, policies: number, shift = 0): Resource {
  const home = 1 + (i % (nodes - 1));
  const labels = { [`p${(i + shift) % policies}`]: '', team: `t${i % 20}` };
  return pod(`remote-${i}`, `node-${home}`, `${nodeNet(home)}.${10 + Math.floor(i / (nodes - 1))}`, labels);
}

/** The i-th policy, for one group of local pods, with one port more where `port` is given. */
export function appPolicy(i: number, policies: number, port?: number): Resource {
  const made = policy(i, policies + 1, '', '192.0.2.0/24') as unknown as { spec: Record<string, unknown> };
  const { spec } = made;
  const [rule] = spec.ingress as { destination: { ports: unknown[] } }[];
  const ports = [...(rule?.destination.ports ?? []), ...(port === undefined ? [] : [port])];
  const ingress = [{ ...rule, destination: { ports } }];
  return { ...made, spec: { ...spec, selector: `app == 'a${i % apps}'`, ingress } } as unknown as Resource;
}

function node(i: number): Resource {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: `node-${i}`,
      annotations: {
        'projectcalico.org/IPv4Address': i === 0 ? thisNodeAddress : `172.16.${(i + 1) >> 8}.${(i + 1) & 255}/12`,
        'projectcalico.org/IPv4VXLANTunnelAddr': `${nodeNet(i)}.1`,
      },
    },
    spec: {},
  } as unknown as Resource;
}

function block(i: number): Resource {
  return {
    apiVersion: v3,
    kind: 'IPAMBlock',
    metadata: { name: `${nodeNet(i).replaceAll('.', '-')}-0-24` },
    spec: {
      cidr: `${nodeNet(i)}.0/24`,
      affinity: `host:node-${i}`,
      allocations: Array.from({ length: 256 }, () => null),
      unallocated: Array.from({ length: 256 }, (_, ordinal) => ordinal),
      attributes: [],
      strictAffinity: false,
    },
  } as unknown as Resource;
}
