import type { ResourceUpdate } from '@calico/api';
import fc from 'fast-check';
import { given, gone, namespaceProfile, slice, workload } from './builders.ts';
import { NODE } from './replay.ts';

const LABELS: readonly Record<string, string>[] = [
  {},
  { app: 'web' },
  { app: 'db', role: 'x' },
  { role: 'x', 'pcns.env': 'fake' },
];
const SELECTORS = ['all()', "app == 'web'", "app in {'web', 'db'} && has(role)", '!has(app)', "pcns.env == 'prod'"];
const SUBJECTS = ['', 'all()', ...SELECTORS, "projectcalico.org/namespace == 'shop'"];
const NETS = ['10.0.0.0/8', '10.0.0.1/32', '192.0.2.7/24', 'fd00::/64', 'nonsense'];

const pick = <T>(values: readonly T[]) => fc.constantFrom(...values);
const some = <T>(values: readonly T[]) => fc.subarray([...values], { maxLength: Math.min(3, values.length) });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

/** An object without the properties that are undefined. */
function compact(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const entity = fc
  .record({
    selector: maybe(pick(SELECTORS)),
    notSelector: maybe(pick(SELECTORS)),
    namespaceSelector: maybe(pick(['', 'all()', 'global()', "env == 'prod'"])),
    nets: maybe(some(NETS.slice(0, 3))),
    ports: maybe(some([80, '90:99', 'http', 'dns'])),
    notPorts: maybe(some([81, 'http'])),
    serviceAccounts: maybe(fc.constant({ names: ['robot'] })),
    services: maybe(fc.constant({ name: 'web', namespace: 'shop' })),
  })
  .map(compact);
const rule = fc
  .record({
    action: pick(['Allow', 'Deny', 'Pass', 'Log']),
    protocol: maybe(pick(['TCP', 'UDP', 132])),
    source: maybe(entity),
    destination: maybe(entity),
  })
  .map(compact);
const goodSpec = fc
  .record({
    tier: maybe(pick(['default', 'early', 'lost'])),
    order: maybe(pick([1, 10, 10])),
    selector: pick(SUBJECTS),
    namespaceSelector: maybe(pick(['all()', "env == 'prod'"])),
    serviceAccountSelector: maybe(fc.constant('has(x)')),
    types: maybe(some(['Ingress', 'Egress'])),
    ingress: fc.array(rule, { maxLength: 2 }),
    egress: fc.array(rule, { maxLength: 2 }),
    performanceHints: maybe(fc.constant(['AssumeNeededOnEveryNode'])),
  })
  .map(compact);

/** A policy, seldom one that cannot be read. */
const policySpec: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  { weight: 15, arbitrary: goodSpec },
  { weight: 1, arbitrary: fc.constant({ selector: 'a ==' }) },
  { weight: 1, arbitrary: fc.constant({ ingress: [{ action: 'Allow', source: { nets: ['nonsense'] } }] }) },
);

const ports = maybe(
  some([
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: 'dns', protocol: 'UDP', port: 53 },
  ]),
);
const addresses = fc.subarray(['10.0.0.1/32', '10.0.0.2/32', '10.0.1.1/32', 'fd00::1/128'], {
  minLength: 1,
  maxLength: 3,
});
const floatingIps = maybe(
  some([
    { internalIP: '10.0.0.1', externalIP: '198.51.100.7' },
    { internalIP: 'fd00::1', externalIP: '10.0.1.1' },
    { internalIP: '10.0.0.2', externalIP: '10.0.0.1' },
  ]),
);
const workloads = fc
  .tuple(
    pick(['shop/a', 'shop/b', 'lab/a']),
    pick([NODE, NODE, 'node-2']),
    addresses,
    pick(LABELS),
    ports,
    pick([[], ['kns.shop'], ['kns.lab', 'kns.shop']]),
    floatingIps,
  )
  .map(([path, node, nets, labels, given, profiles, ipNATs]) =>
    workload(path, node, nets, labels, compact({ ports: given, profiles, ipNATs })),
  );
const profiles = fc
  .tuple(pick(['shop', 'lab']), pick([{}, { env: 'prod' }, { env: 'test' }]))
  .map(([namespace, labels]) => namespaceProfile(namespace, labels));
const policies = fc
  .tuple(
    pick(['NetworkPolicy', 'KubernetesNetworkPolicy', 'StagedNetworkPolicy'] as const),
    pick(['shop/p', 'lab/q']),
    policySpec,
  )
  .map(([kind, path, spec]) => given(kind, path, spec));
const globalPolicies = fc
  .tuple(
    pick(['GlobalNetworkPolicy', 'StagedGlobalNetworkPolicy', 'KubernetesClusterNetworkPolicy'] as const),
    pick(['p', 'q']),
    policySpec,
  )
  .map(([kind, path, spec]) => given(kind, path, spec));
const tiers = fc
  .tuple(pick(['default', 'early']), maybe(pick([1, 2])), pick(['Pass', 'Deny']))
  .map(([name, order, defaultAction]) => given('Tier', name, compact({ order, defaultAction })));
const sets = fc.oneof(
  fc.tuple(some(NETS), pick(LABELS)).map(([nets, labels]) => given('NetworkSet', 'shop/n', { nets }, { labels })),
  fc
    .tuple(pick(['m', 'n']), some(NETS), pick(LABELS))
    .map(([name, nets, labels]) => given('GlobalNetworkSet', name, { nets }, { labels })),
  fc
    .tuple(some(['10.0.0.1', 'fd00::9']), pick(LABELS))
    .map(([expectedIPs, labels]) => given('HostEndpoint', 'h', { node: NODE, expectedIPs }, { labels })),
);
const slices = fc
  .tuple(
    pick(['shop/s1', 'shop/s2']),
    pick(['web', 'other']),
    some(['10.0.0.1', '10.0.0.2']),
    some(['tcp:80', 'udp:53']),
  )
  .map(([path, service, list, open]) => slice(path, service, list, open));
const pools = fc
  .tuple(
    pick(['p', 'q']),
    pick(['10.0.0.0/16', '10.0.0.0/24', 'fd00::/64']),
    pick(['Never', 'Always', 'CrossSubnet']),
    fc.boolean(),
    pick([undefined, ['LoadBalancer']]),
  )
  .map(([name, cidr, vxlanMode, natOutgoing, allowedUses]) =>
    given('IPPool', name, compact({ cidr, vxlanMode, natOutgoing, allowedUses })),
  );
const blocks = fc
  .tuple(
    pick(['10.0.0.0/30', '10.0.1.0/30']),
    pick([`host:${NODE}`, 'host:node-2', null]),
    fc.array(pick([null, 0, 1]), { minLength: 4, maxLength: 4 }),
  )
  .map(([cidr, affinity, allocations]) =>
    given('IPAMBlock', cidr.replaceAll(/[./]/g, '-'), {
      cidr,
      affinity,
      allocations,
      attributes: [{ secondary: { node: NODE } }, { secondary: { node: 'node-2' } }],
    }),
  );
const nodes = fc
  .tuple(
    pick([NODE, 'node-2']),
    pick(['192.168.0.1/24', '192.168.0.2/24', '192.168.1.2/24']),
    maybe(pick(['10.0.0.0', '10.0.1.0'])),
    pick(LABELS),
  )
  .map(([name, ipv4Address, ipv4VXLANTunnelAddr, labels]) =>
    given('CalicoNode', name, compact({ bgp: { ipv4Address }, ipv4VXLANTunnelAddr }), { labels }),
  );
const configurations = fc
  .tuple(pick(['default', `node.${NODE}`, 'x', 'y']), pick([1, 2]), pick(["app == 'web'", 'has(role)']))
  .map(([name, vxlanMTU, nodeSelector]) => given('FelixConfiguration', name, { vxlanMTU, nodeSelector }));
const advertised = fc
  .tuple(pick(['default', `node.${NODE}`]), some(['10.96.0.0/16', '10.96.3.0/24', 'fd00:1::/112']))
  .map(([name, cidrs]) => given('BGPConfiguration', name, { serviceClusterIPs: cidrs.map(cidr => ({ cidr })) }));

/** An update of one of a few resources, in one of many forms, or its removal. */
const updates: fc.Arbitrary<ResourceUpdate> = fc
  .tuple(
    fc.oneof(
      { weight: 8, arbitrary: workloads },
      { weight: 3, arbitrary: policies },
      { weight: 3, arbitrary: globalPolicies },
      { weight: 2, arbitrary: profiles },
      { weight: 2, arbitrary: sets },
      ...[tiers, slices, pools, blocks, nodes, configurations, advertised].map(arbitrary => ({ weight: 1, arbitrary })),
    ),
    fc.integer({ min: 0, max: 4 }),
  )
  .map(([update, chance]) => (chance === 0 ? gone(update) : update));

/** A history of a small cluster. */
export const histories: fc.Arbitrary<ResourceUpdate[]> = fc.array(updates, {
  minLength: 1,
  maxLength: 60,
  size: 'max',
});
