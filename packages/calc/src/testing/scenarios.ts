import type { ResourceUpdate } from '@calico/api';
import { given, namespaceProfile, slice, workload } from './builders.ts';
import { NODE } from './replay.ts';

const policies: readonly ResourceUpdate[] = [
  namespaceProfile('shop', { env: 'prod' }),
  namespaceProfile('lab', { env: 'test' }),
  workload(
    'shop/cart',
    NODE,
    ['10.0.0.1/32', 'fd00::1/128'],
    { app: 'cart' },
    { ipNATs: [{ internalIP: '10.0.0.1', externalIP: '198.51.100.7' }] },
  ),
  workload(
    'shop/web',
    'node-2',
    ['10.0.1.1/32'],
    { app: 'web' },
    { ports: [{ name: 'http', protocol: 'TCP', port: 80 }] },
  ),
  workload('lab/web', NODE, ['10.0.0.2/32'], { app: 'web' }, { profiles: ['kns.lab', 'ksa.lab.lost'] }),
  given('Tier', 'default', { order: 1000000, defaultAction: 'Deny' }),
  given('Tier', 'secure', { order: 100, defaultAction: 'Pass' }),
  given('NetworkPolicy', 'shop/cart', {
    selector: "app == 'cart'",
    order: 10,
    types: ['Ingress', 'Egress'],
    ingress: [{ action: 'Allow', protocol: 'TCP', source: { selector: "app == 'web'" }, destination: { ports: [80] } }],
    egress: [{ action: 'Allow', protocol: 'TCP', destination: { selector: 'all()', ports: ['http'] } }],
  }),
  given('GlobalNetworkPolicy', 'prod', {
    tier: 'secure',
    namespaceSelector: "env == 'prod'",
    types: ['Ingress'],
    ingress: [
      { action: 'Deny', source: { selector: "role == 'bad'", namespaceSelector: 'global()' } },
      { action: 'Pass', source: { services: { name: 'web', namespace: 'shop' } } },
    ],
  }),
  given('StagedGlobalNetworkPolicy', 'staged', {
    selector: "app == 'web'",
    types: ['Egress'],
    egress: [{ action: 'Deny' }],
  }),
  given('GlobalNetworkSet', 'bad', { nets: ['192.0.2.0/24', '192.0.2.1/32'] }, { labels: { role: 'bad' } }),
  given('NetworkSet', 'shop/more', { nets: ['198.51.100.0/24'] }, { labels: { app: 'web' } }),
  given('HostEndpoint', 'host', { node: 'node-2', expectedIPs: ['192.168.0.2'] }, { labels: { role: 'bad' } }),
  slice('shop/web-1', 'web', ['10.0.1.1'], ['tcp:80']),
];

function node(name: string, address: string, tunnel?: string): ResourceUpdate {
  return given('CalicoNode', name, {
    bgp: { ipv4Address: address },
    addresses: [{ address: address.split('/')[0], type: 'CalicoNodeIP' }],
    ...(tunnel === undefined ? {} : { ipv4VXLANTunnelAddr: tunnel }),
  });
}

const routes: readonly ResourceUpdate[] = [
  node(NODE, '192.168.0.1/24', '10.0.0.0'),
  node('node-2', '192.168.0.2/24', '10.0.1.0'),
  node('node-3', '192.168.1.3/24'),
  given('IPPool', 'pool', { cidr: '10.0.0.0/16', vxlanMode: 'CrossSubnet', natOutgoing: true }),
  given('IPPool', 'inner', { cidr: '10.0.1.0/24', vxlanMode: 'Never', ipipMode: 'Always' }),
  given('IPPool', 'lb', { cidr: '10.0.0.0/24', allowedUses: ['LoadBalancer'] }),
  given('IPAMBlock', 'b1', {
    cidr: '10.0.0.0/30',
    affinity: `host:${NODE}`,
    allocations: [0, 0, 1, null],
    attributes: [{ secondary: { node: NODE } }, { secondary: { node: 'node-2' } }],
    unallocated: [3],
  }),
  given('IPAMBlock', 'b2', { cidr: '10.0.1.0/30', affinity: 'host:node-2', allocations: [], attributes: [] }),
  given('IPAMBlock', 'b3', {
    cidr: '10.0.2.0/30',
    affinity: null,
    allocations: [0, null, null, null],
    attributes: [{ secondary: { node: 'node-3' } }],
  }),
  workload('shop/cart', NODE, ['10.0.0.1/32']),
  workload('shop/guest', NODE, ['10.0.1.2/32']),
];

const configuration: readonly ResourceUpdate[] = [
  given('CalicoNode', NODE, { bgp: { ipv4Address: '192.168.0.1/24' } }, { labels: { zone: 'a' } }),
  given('FelixConfiguration', 'default', { logSeverityScreen: 'Info', vxlanMTU: 1400, ipipMTU: 1440 }),
  given('FelixConfiguration', 'zone-a', { nodeSelector: "zone == 'a'", vxlanMTU: 1300, bpfEnabled: false }),
  given('FelixConfiguration', `node.${NODE}`, { vxlanMTU: 1200 }),
  given('FelixConfiguration', 'node.node-2', { vxlanMTU: 1100 }),
  given('ClusterInformation', 'default', { clusterGUID: 'abc', clusterType: 'k8s' }),
];

/** Sequences of updates, each leading to a named state of a cluster; many overwrite what they gave before. */
export const SCENARIOS: ReadonlyMap<string, readonly ResourceUpdate[]> = new Map([
  ['nothing', []],
  ['policies', policies],
  ['routes', routes],
  ['configuration', configuration],
  ['all', [...policies, ...configuration, ...routes]],
]);
