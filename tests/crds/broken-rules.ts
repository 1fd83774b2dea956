/** Specs that break one rule between fields each: the rules that definitions carry in CEL. */
export interface BrokenRule {
  readonly kind: string;
  readonly name: string;
  /** The name of the object, where the rule asks for it. */
  readonly object?: string;
  readonly spec: object;
}

const POOL = { cidr: '10.1.0.0/16' };
const of = (kind: string, rules: { readonly [name: string]: object }): BrokenRule[] =>
  Object.entries(rules).map(([name, spec]) => ({ kind, name, spec }));
const ingress = (rule: object): object => ({ ingress: [{ action: 'Allow', ...rule }] });
const from = (source: object): object => ingress({ source });
const exportV4 = (rule: object): object => ({ exportV4: [{ action: 'Reject', ...rule }] });
const service = { name: 'a', namespace: 'b' };

export const BROKEN_RULES: readonly BrokenRule[] = [
  ...of('IPPool', {
    'both tunnels': { ...POOL, ipipMode: 'Always', vxlanMode: 'CrossSubnet' },
    'IPIP for IPv6': { cidr: 'fd00::/64', ipipMode: 'Always' },
    'LoadBalancer with Workload': { ...POOL, allowedUses: ['LoadBalancer', 'Workload'] },
    'LoadBalancer in a tunnel': { ...POOL, allowedUses: ['LoadBalancer'], vxlanMode: 'Always' },
    'LoadBalancer without export': { ...POOL, allowedUses: ['LoadBalancer'], disableBGPExport: true },
    'LoadBalancer on some nodes': { ...POOL, allowedUses: ['LoadBalancer'], nodeSelector: 'has(a)' },
    'namespaces of tunnels': { ...POOL, allowedUses: ['Tunnel'], namespaceSelector: 'has(a)' },
    'global() nodes': { ...POOL, nodeSelector: 'global()' },
    'global() namespaces': { ...POOL, allowedUses: ['Workload'], namespaceSelector: 'global()' },
    'host bits': { cidr: '10.1.0.1/16' },
    'link-local IPv4': { cidr: '169.254.0.0/24' },
    'around link-local IPv4': { cidr: '168.0.0.0/5' },
    'link-local IPv6': { cidr: 'fe80::/64' },
    'blocks of IPv6 in IPv4': { ...POOL, blockSize: 122 },
    'large blocks': { ...POOL, blockSize: 19 },
    'blocks of IPv4 in IPv6': { cidr: 'fd00::/64', blockSize: 26 },
    'smaller than a block': { cidr: '10.1.0.0/27' },
    'smaller than its block': { cidr: '10.1.0.0/24', blockSize: 20 },
  }),
  ...of('GlobalNetworkPolicy', {
    'untracked before NAT': { doNotTrack: true, preDNAT: true, applyOnForward: true },
    'egress rules before NAT': { preDNAT: true, applyOnForward: true, egress: [{ action: 'Allow' }] },
    'egress before NAT': { preDNAT: true, applyOnForward: true, types: ['Egress'] },
    'untracked, not forwarded': { doNotTrack: true },
    'global() endpoints': { selector: 'global()' },
    'global() namespaces': { namespaceSelector: 'global()' },
    'global() accounts': { serviceAccountSelector: 'global()' },
  }),
  ...of('StagedGlobalNetworkPolicy', { 'before NAT, not forwarded': { preDNAT: true } }),
  ...of('StagedNetworkPolicy', { 'global() endpoints': { selector: 'global()' } }),
  ...of('NetworkPolicy', {
    'global() endpoints': { selector: "a == 'b' || global()" },
    'HTTP over UDP': ingress({ protocol: 'UDP', http: { methods: ['GET'] } }),
    'HTTP denied': { ingress: [{ action: 'Deny', http: { methods: ['GET'] } }] },
    'ports of a service': {
      egress: [{ action: 'Allow', protocol: 'TCP', destination: { services: service, ports: [80] } }],
    },
    'ICMP without protocol': ingress({ icmp: { type: 8 } }),
    'ICMP of TCP': ingress({ protocol: 'TCP', icmp: { type: 8 } }),
    'an ICMP code alone': ingress({ protocol: 'ICMP', icmp: { code: 1 } }),
    'not an ICMP code alone': ingress({ notICMP: { code: 1 } }),
    'ICMP in IPv6': ingress({ protocol: 'ICMP', ipVersion: 6 }),
    'ICMPv6 by number in IPv4': ingress({ protocol: 58, ipVersion: 4 }),
    'not ICMP in IPv6': ingress({ notProtocol: 1, ipVersion: 6 }),
    'global() source': from({ selector: 'global()' }),
    'namespaces of a service': from({ services: service, namespaceSelector: 'all()' }),
    'accounts of a service': from({ services: service, serviceAccounts: { names: ['a'] } }),
    'labels of a service': from({ services: service, selector: 'all()' }),
    'not labels of a service': from({ services: service, notSelector: 'all()' }),
    'networks of a service': from({ services: service, nets: ['10.0.0.0/8'] }),
    'a service without name': from({ services: { name: '', namespace: 'a' } }),
  }),
  ...of('HostEndpoint', {
    'no interface': { node: 'a' },
    'no node': { interfaceName: 'eth0' },
  }),
  ...of('BGPPeer', {
    'a node and a selector': { node: 'a', nodeSelector: 'all()', peerIP: '192.0.2.1' },
    'an address and a selector': { peerIP: '192.0.2.1', peerSelector: 'all()' },
    'a selector and a number': { peerSelector: 'all()', asNumber: 64512 },
    'workloads by address': { localWorkloadSelector: 'all()', asNumber: 64512, peerIP: '192.0.2.1' },
    'workloads by selector': { localWorkloadSelector: 'all()', peerSelector: 'all()' },
    'workloads without number': { localWorkloadSelector: 'all()' },
    'a gateway to nowhere': { peerSelector: 'all()', reachableBy: '192.0.2.1' },
    'next hop twice': { peerIP: '192.0.2.1', keepOriginalNextHop: true, nextHopMode: 'Keep' },
  }),
  ...of('BGPConfiguration', {
    'a password without mesh': { nodeToNodeMeshEnabled: false, nodeMeshPassword: { secretKeyRef: { key: 'a' } } },
    'a restart without mesh': { nodeToNodeMeshEnabled: false, nodeMeshMaxRestartTime: '90s' },
    'communities for nothing': { communities: [{ name: 'a', value: '1:1' }] },
  }),
  ...of('BGPFilter', {
    'a CIDR alone': exportV4({ cidr: '10.0.0.0/8' }),
    'an operator alone': exportV4({ matchOperator: 'In' }),
    'a length alone': exportV4({ prefixLength: { min: 8 } }),
    'changes of nothing': exportV4({ operations: [{ setPriority: { value: 1 } }] }),
    'two changes in one': exportV4({
      action: 'Accept',
      operations: [{ setPriority: { value: 1 }, addCommunity: { value: '1:1' } }],
    }),
  }),
  ...of('FelixConfiguration', {
    'tables twice': { routeTableRange: { min: 1, max: 2 }, routeTableRanges: [{ min: 1, max: 2 }] },
    'tables beyond 250': { routeTableRange: { min: 1, max: 251 } },
    'tables the wrong way': { routeTableRanges: [{ min: 3, max: 2 }] },
    'an IPv6 address for NAT': { natOutgoingAddress: '::1' },
    'an IPv6 source': { deviceRouteSourceAddress: '::1' },
    'an IPv4 source': { deviceRouteSourceAddressIPv6: '192.0.2.1' },
  }).map(rule => ({ ...rule, object: 'default' })),
  { kind: 'FelixConfiguration', name: 'a selector in the default', object: 'default', spec: { nodeSelector: 'all()' } },
  { kind: 'FelixConfiguration', name: 'a selector for one node', object: 'node.a', spec: { nodeSelector: 'all()' } },
  { kind: 'Tier', name: 'the default tier elsewhere', object: 'default', spec: { order: 1, defaultAction: 'Deny' } },
  {
    kind: 'Tier',
    name: 'the default tier passing',
    object: 'default',
    spec: { order: 1000000, defaultAction: 'Pass' },
  },
  { kind: 'Tier', name: 'the first tier denying', object: 'kube-admin', spec: { order: 1000, defaultAction: 'Deny' } },
  { kind: 'Tier', name: 'the last tier without order', object: 'kube-baseline', spec: { defaultAction: 'Pass' } },
];
