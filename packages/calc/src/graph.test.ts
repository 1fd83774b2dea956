import { describe, expect, test } from 'bun:test';
import type { ResourceUpdate } from '@calico/api';
import { CalcGraph } from './graph.ts';
import { CUT_ANNOTATION } from './policy-entry.ts';
import type { NodeState } from './state.ts';
import { given, gone, namespaceProfile, slice, workload } from './testing/builders.ts';
import { NODE, play } from './testing/replay.ts';
import { SCENARIOS } from './testing/scenarios.ts';

/** The members of the only set, sorted. */
function members(state: NodeState): string[] {
  if (state.sets.size !== 1) throw new Error(`there are ${state.sets.size} sets`);
  return [...state.sets.values()].flatMap(set => [...set.members]).sort();
}

/** The tiers of the endpoint as `tier: policies`. */
function tiers(state: NodeState, id: string, direction: 'ingress' | 'egress' = 'ingress'): string[] {
  const endpoint = state.endpoints.get(id);
  if (endpoint === undefined) throw new Error(`there is no endpoint ${id}`);
  return endpoint[direction].tiers.map(
    tier => `${tier.name}${tier.defaultAction === 'pass' ? '!' : ''}: ${tier.policies.join(' ')}`,
  );
}

const LOCAL = workload('shop/cart', NODE, ['10.0.0.1/32'], { app: 'cart' });
const ALLOW_FROM_WEB = given('NetworkPolicy', 'shop/p', {
  selector: "app == 'cart'",
  types: ['Ingress'],
  ingress: [{ action: 'Allow', source: { selector: "app == 'web'" } }],
});

describe('a policy', () => {
  test.each([
    {
      name: 'cuts live connections where its annotation says so',
      annotations: { [CUT_ANNOTATION]: 'true' },
      cuts: true,
    },
    { name: 'does not where the annotation says no', annotations: { [CUT_ANNOTATION]: 'false' }, cuts: undefined },
    { name: 'does not without the annotation', annotations: {}, cuts: undefined },
  ])('$name', ({ annotations, cuts }) => {
    const annotated = given('NetworkPolicy', 'shop/p', { selector: 'all()' }, { annotations });
    const { policies } = play([LOCAL, annotated, 'inSync', 'flush']);
    expect(policies.get('np/shop/p')?.cutsConnections).toBe(cuts);
  });
});

describe('CalcGraph says', () => {
  test('nothing before it is in sync, then everything, then inSync once', () => {
    const graph = new CalcGraph({ nodeName: NODE });
    graph.update(LOCAL);
    expect(graph.flush()).toEqual([]);
    graph.inSync();
    expect(graph.flush().map(({ kind }) => kind)).toEqual([
      'configUpdate',
      'profileUpdate',
      'endpointUpdate',
      'routeUpdate',
      'inSync',
    ]);
    graph.inSync();
    expect(graph.flush()).toEqual([]);
  });

  test('sets before policies before profiles before endpoints, and takes them back the other way round', () => {
    const graph = new CalcGraph({ nodeName: NODE });
    graph.inSync();
    graph.flush();
    const updates = [LOCAL, ALLOW_FROM_WEB, workload('shop/web', 'node-2', ['10.0.1.1/32'], { app: 'web' })];
    for (const update of updates) graph.update(update);
    expect(graph.flush().map(({ kind }) => kind)).toEqual([
      'ipSetUpdate',
      'policyUpdate',
      'profileUpdate',
      'endpointUpdate',
      'routeUpdate',
    ]);
    for (const update of updates) graph.update(gone(update));
    expect(graph.flush().map(({ kind }) => kind)).toEqual([
      'endpointRemove',
      'profileRemove',
      'policyRemove',
      'ipSetRemove',
      'routeRemove',
    ]);
  });

  test('what a local workload is', () => {
    const full = workload(
      'shop/cart',
      NODE,
      ['10.0.0.1/32', 'fd00::1/128'],
      {},
      {
        mac: '02:00:00:00:00:01',
        allowSpoofedSourcePrefixes: ['192.0.2.7/24'],
        ipNATs: [
          { internalIP: '10.0.0.1', externalIP: '198.51.100.7' },
          { internalIP: 'fd00::1', externalIP: '2001:DB8::7' },
        ],
      },
    );
    expect(play([full]).endpoints.get('shop/cart')).toEqual({
      name: 'cali-cart',
      orchestrator: 'k8s',
      namespace: 'shop',
      workload: 'cart',
      key: { orchestrator: 'k8s', workload: 'shop/cart', endpoint: 'eth0' },
      mac: '02:00:00:00:00:01',
      ipv4: ['10.0.0.1/32'],
      ipv6: ['fd00::1/128'],
      active: true,
      ingress: { tiers: [], profiles: ['kns.shop'] },
      egress: { tiers: [], profiles: ['kns.shop'] },
      allowSpoofedSources: ['192.0.2.0/24'],
      floatingIps: [
        { external: '198.51.100.7/32', internal: '10.0.0.1/32' },
        { external: '2001:db8::7/128', internal: 'fd00::1/128' },
      ],
    });
  });

  test.each([
    { name: 'an address that is not the workload’s', nat: { internalIP: '10.0.0.2', externalIP: '198.51.100.7' } },
    { name: 'an address of the other family', nat: { internalIP: '10.0.0.1', externalIP: '2001:db8::7' } },
    { name: 'what is no address', nat: { internalIP: '10.0.0.1', externalIP: 'web' } },
    { name: 'an address of the link', nat: { internalIP: '10.0.0.1', externalIP: '169.254.169.254' } },
    { name: 'the loopback address', nat: { internalIP: '10.0.0.1', externalIP: '127.0.0.1' } },
    { name: 'a network', nat: { internalIP: '10.0.0.1', externalIP: '198.51.100.0/24' } },
  ])('nothing of a floating address that leads to, or is, $name', ({ nat }) => {
    const twice = { internalIP: '10.0.0.1', externalIP: '198.51.100.8' };
    const state = play([workload('shop/cart', NODE, ['10.0.0.1/32'], {}, { ipNATs: [nat, twice, twice] })]);
    const left = [{ external: '198.51.100.8/32', internal: '10.0.0.1/32' }];
    expect(state.endpoints.get('shop/cart')?.floatingIps).toEqual(left);
  });

  test('nothing of workloads on other nodes, or without addresses or interface', () => {
    const others = [
      workload('shop/a', 'node-2', ['10.0.0.1/32']),
      workload('shop/b', NODE, []),
      workload('shop/c', NODE, ['10.0.0.2/32'], {}, { interfaceName: '' }),
    ];
    expect(play(others).endpoints.size).toBe(0);
  });

  test('that the profile which allows everything is there without being written down', () => {
    const name = 'projectcalico-default-allow';
    const spec = {
      orchestrator: 'cni',
      node: NODE,
      interfaceName: 'cali1',
      ipNetworks: ['10.0.0.1/32'],
      profiles: [name],
    };
    const endpoint = given('WorkloadEndpoint', 'shop/one', spec);
    const allow = [{ index: 0, action: 'allow', matches: [] }];
    expect(play([endpoint]).profiles.get(name)).toMatchObject({ ingress: allow, egress: allow });
  });

  test('that a missing profile denies both ways, until it comes', () => {
    const deny = [{ index: 0, action: 'deny', matches: [] }];
    expect(play([LOCAL]).profiles.get('kns.shop')).toMatchObject({ ingress: deny, egress: deny });
    const allow = [{ index: 0, action: 'allow', matches: [] }];
    const profile = namespaceProfile('shop');
    expect(play([LOCAL, profile]).profiles.get('kns.shop')).toMatchObject({ ingress: allow, egress: allow });
    expect(play([LOCAL, profile, gone(profile)]).profiles.get('kns.shop')).toMatchObject({ ingress: deny });
    const broken = given('Profile', 'kns.shop', { ingress: [{ action: 'Allow', source: { nets: ['x'] } }] });
    expect(play([LOCAL, profile, broken]).profiles.get('kns.shop')).toMatchObject({ ingress: deny });
  });

  test('only policies that are for workloads here', () => {
    const elsewhere = given('NetworkPolicy', 'shop/q', { selector: "app == 'web'", types: ['Ingress'] });
    const state = play([LOCAL, ALLOW_FROM_WEB, elsewhere]);
    expect([...state.policies.keys()]).toEqual(['np/shop/p']);
    expect(play([workload('shop/cart', 'node-2', ['10.0.0.1/32'], { app: 'cart' }), ALLOW_FROM_WEB]).sets.size).toBe(0);
  });

  test('policies that are wanted on every node also where they are for nobody', () => {
    const hinted = given('GlobalNetworkPolicy', 'g', {
      selector: 'has(x)',
      types: ['Ingress'],
      performanceHints: ['AssumeNeededOnEveryNode'],
    });
    const state = play([LOCAL, hinted]);
    expect([...state.policies.keys()]).toEqual(['gnp/g']);
    expect(tiers(state, 'shop/cart')).toEqual([]);
  });

  test('cluster network policies in the tiers before and after the others, which are there without being written', () => {
    const rules = { types: ['Ingress'], ingress: [{ action: 'Deny' }] };
    const state = play([
      LOCAL,
      given('KubernetesClusterNetworkPolicy', 'late', { tier: 'kube-baseline', order: 1, ...rules }),
      given('KubernetesClusterNetworkPolicy', 'b', { tier: 'kube-admin', order: 7, ...rules }),
      given('KubernetesClusterNetworkPolicy', 'a', { tier: 'kube-admin', order: 8, ...rules }),
      given('GlobalNetworkPolicy', 'b', { tier: 'kube-admin', order: 7, ...rules }),
      given('GlobalNetworkPolicy', 'lost', { tier: 'lost', ...rules }),
      ALLOW_FROM_WEB,
    ]);
    expect(tiers(state, 'shop/cart')).toEqual([
      'kube-admin!: gnp/b kcnp/b kcnp/a',
      'default: np/shop/p',
      'kube-baseline!: kcnp/late',
      'lost: gnp/lost',
    ]);
  });

  test('staged policies beside the others, marked as such; those that only say what is to be deleted not', () => {
    const kinds = ['StagedNetworkPolicy', 'StagedKubernetesNetworkPolicy'] as const;
    const staged = (stagedAction: string) => [
      LOCAL,
      ...kinds.map(kind => given(kind, 'shop/s', { stagedAction, types: ['Ingress'] })),
      given('StagedGlobalNetworkPolicy', 's', { stagedAction, types: ['Ingress'] }),
    ];
    const set = play(staged('Set'));
    expect(tiers(set, 'shop/cart')).toEqual(['default: sgnp/s sknp/shop/s snp/shop/s']);
    expect([...set.policies.values()].map(policy => policy.staged)).toEqual([true, true, true]);
    for (const action of ['Learn', 'Ignore']) expect(play(staged(action)).policies.size).toBe(3);
    expect(play(staged('Delete')).policies.size).toBe(0);
    expect(play([...staged('Set'), ...staged('Delete')]).policies.size).toBe(0);
  });

  test('labels of the namespace as labels of its workloads', () => {
    const policy = given('GlobalNetworkPolicy', 'g', { namespaceSelector: "env == 'prod'", types: ['Ingress'] });
    const prod = namespaceProfile('shop', { env: 'prod' });
    expect(tiers(play([LOCAL, policy, prod]), 'shop/cart')).toEqual(['default: gnp/g']);
    expect(tiers(play([LOCAL, policy, prod, namespaceProfile('shop')]), 'shop/cart')).toEqual([]);
    const impostor = workload('shop/cart', NODE, ['10.0.0.1/32'], { 'pcns.env': 'prod' });
    expect(tiers(play([impostor, policy]), 'shop/cart')).toEqual([]);
  });

  test('a policy that cannot be read as absent', () => {
    const bad = given('NetworkPolicy', 'shop/p', {
      selector: 'all()',
      types: ['Ingress'],
      ingress: [{ action: 'Allow', source: { nets: ['10.0.0.0/99'] } }],
    });
    expect(tiers(play([LOCAL, ALLOW_FROM_WEB, bad]), 'shop/cart')).toEqual([]);
    const badSubject = given('NetworkPolicy', 'shop/p', { selector: 'a =', types: ['Ingress'] });
    expect(play([LOCAL, ALLOW_FROM_WEB, badSubject]).policies.size).toBe(0);
  });

  test('policies for host endpoints alone not at all for workloads', () => {
    const untracked = given('GlobalNetworkPolicy', 'u', { doNotTrack: true, applyOnForward: true, types: ['Ingress'] });
    const preDnat = given('GlobalNetworkPolicy', 'd', { preDNAT: true, applyOnForward: true, types: ['Ingress'] });
    expect(play([LOCAL, untracked, preDnat]).policies.size).toBe(0);
  });

  test('the order of tiers and policies', () => {
    const policy = (name: string, tier: string, order?: number, types = ['Ingress']) =>
      given('GlobalNetworkPolicy', name, { tier, types, ...(order === undefined ? {} : { order }) });
    const tier = (name: string, order: number | undefined, defaultAction = 'Deny') =>
      given('Tier', name, { defaultAction, ...(order === undefined ? {} : { order }) });
    const state = play([
      LOCAL,
      policy('last', 'default'),
      policy('b', 'default', 10),
      policy('a', 'default', 10),
      policy('first', 'default', -1.5),
      policy('egress-only', 'default', 0, ['Egress']),
      policy('x', 'lost'),
      policy('x2', 'early', 1),
      policy('x3', 'unordered', 1),
      policy('x4', 'also-early', 1),
      tier('default', 1000000),
      tier('early', 1, 'Pass'),
      tier('also-early', 1),
      tier('unordered', undefined),
      tier('unused', 0),
      given('NetworkPolicy', 'shop/a', { types: ['Ingress'], order: 10 }),
      given('KubernetesNetworkPolicy', 'shop/a', { types: ['Ingress'], order: 10 }),
    ]);
    expect(tiers(state, 'shop/cart')).toEqual([
      'also-early: gnp/x4',
      'early!: gnp/x2',
      'default: gnp/first gnp/a knp/shop/a np/shop/a gnp/b gnp/last',
      'unordered: gnp/x3',
      'lost: gnp/x',
    ]);
    expect(tiers(state, 'shop/cart', 'egress')).toEqual(['default: gnp/egress-only']);
  });

  test('a changed order of a tier or a policy', () => {
    const a = given('GlobalNetworkPolicy', 'a', { tier: 'a', types: ['Ingress'], order: 1 });
    const b = given('GlobalNetworkPolicy', 'b', { tier: 'b', types: ['Ingress'], order: 1 });
    const tierA = given('Tier', 'a', { order: 1 });
    const tierB = given('Tier', 'b', { order: 2 });
    expect(
      tiers(play([LOCAL, a, b, tierA, tierB, 'inSync', 'flush', given('Tier', 'a', { order: 3 })]), 'shop/cart'),
    ).toEqual(['b: gnp/b', 'a: gnp/a']);
    const moved = given('GlobalNetworkPolicy', 'a', { tier: 'b', types: ['Ingress'], order: 0 });
    expect(tiers(play([LOCAL, a, b, tierA, tierB, 'inSync', 'flush', moved]), 'shop/cart')).toEqual(['b: gnp/a gnp/b']);
  });

  test('both directions for a policy without types, and staged policies as staged', () => {
    const state = play([LOCAL, given('StagedNetworkPolicy', 'shop/s', { ingress: [{ action: 'Deny' }] })]);
    expect([tiers(state, 'shop/cart'), tiers(state, 'shop/cart', 'egress')]).toEqual([
      ['default: snp/shop/s'],
      ['default: snp/shop/s'],
    ]);
    expect(state.policies.get('snp/shop/s')?.staged).toBe(true);
    const deleted = given('StagedNetworkPolicy', 'shop/s', { stagedAction: 'Delete' });
    expect(play([LOCAL, deleted]).policies.size).toBe(0);
  });

  test('the addresses of all that a selector matches', () => {
    const policy = given('GlobalNetworkPolicy', 'g', {
      types: ['Ingress'],
      ingress: [{ action: 'Allow', source: { selector: "role == 'peer'" } }],
    });
    const role = { role: 'peer' };
    const state = play([
      LOCAL,
      policy,
      workload('shop/a', 'node-2', ['10.0.1.1/32', 'fd00::1/128'], role),
      workload('shop/b', 'node-2', ['10.0.1.2/32']),
      given('HostEndpoint', 'h', { node: 'node-2', expectedIPs: ['192.0.2.1'] }, { labels: role }),
      given('NetworkSet', 'shop/n', { nets: ['198.51.100.7/24', '10.0.1.1'] }, { labels: role }),
      given('GlobalNetworkSet', 'n', { nets: ['2001:db8::1/32', 'nonsense'] }, { labels: role }),
    ]);
    expect(members(state)).toEqual(['10.0.1.1/32', '192.0.2.1/32', '198.51.100.0/24', '2001:db8::/32', 'fd00::1/128']);
  });

  test('network sets of the namespaces that a rule asks for', () => {
    const rule = { action: 'Allow', source: { namespaceSelector: "env == 'prod'", selector: 'has(role)' } };
    const state = play([
      LOCAL,
      namespaceProfile('prod', { env: 'prod' }),
      namespaceProfile('test', { env: 'test' }),
      given('NetworkPolicy', 'shop/p', { types: ['Ingress'], ingress: [rule] }),
      given('NetworkSet', 'prod/n', { nets: ['192.0.2.0/24'] }, { labels: { role: 'x' } }),
      given('NetworkSet', 'test/n', { nets: ['198.51.100.0/24'] }, { labels: { role: 'x' } }),
      given('GlobalNetworkSet', 'n', { nets: ['203.0.113.0/24'] }, { labels: { role: 'x' } }),
    ]);
    expect(members(state)).toEqual(['192.0.2.0/24']);
  });

  test('a member as long as anyone gives it', () => {
    const policy = given('GlobalNetworkPolicy', 'g', {
      types: ['Ingress'],
      ingress: [{ action: 'Allow', source: { selector: 'has(role)' } }],
    });
    const a = given('GlobalNetworkSet', 'a', { nets: ['10.0.0.0/8'] }, { labels: { role: 'x' } });
    const b = given('GlobalNetworkSet', 'b', { nets: ['10.0.0.0/8', '11.0.0.0/8'] }, { labels: { role: 'y' } });
    const graph = new CalcGraph({ nodeName: NODE });
    for (const update of [LOCAL, policy, a, b]) graph.update(update);
    graph.inSync();
    graph.flush();
    graph.update(gone(b));
    expect(graph.flush()).toEqual([{ kind: 'ipSetDelta', id: expect.any(String), added: [], removed: ['11.0.0.0/8'] }]);
    graph.update(given('GlobalNetworkSet', 'a', { nets: ['12.0.0.0/8'] }, { labels: { role: 'x' } }));
    graph.update(a);
    expect(graph.flush()).toEqual([]);
  });

  test('named ports of what matches', () => {
    const rule = { action: 'Allow', protocol: 'TCP', destination: { selector: "app == 'db'", ports: ['sql'] } };
    const policy = given('NetworkPolicy', 'shop/p', { types: ['Egress'], egress: [rule] });
    const port = (name: string, protocol: string, number: number) => ({ name, protocol, port: number });
    const ports = [port('sql', 'TCP', 5432), port('sql', 'UDP', 1), port('sql', 'TCP', 5433), port('web', 'TCP', 80)];
    const state = play([
      LOCAL,
      policy,
      workload('shop/db', 'node-2', ['10.0.1.1/32', 'fd00::1/128'], { app: 'db' }, { ports }),
      workload('shop/other', 'node-2', ['10.0.1.2/32'], {}, { ports }),
      workload('other/db', 'node-2', ['10.0.1.3/32'], { app: 'db' }, { ports }),
    ]);
    expect([...state.sets.values()][0]?.type).toBe('ipPort');
    expect(members(state)).toEqual(['10.0.1.1,tcp:5432', '10.0.1.1,tcp:5433', 'fd00::1,tcp:5432', 'fd00::1,tcp:5433']);
  });

  test('the endpoints of services', () => {
    const to = given('NetworkPolicy', 'shop/p', {
      types: ['Egress'],
      egress: [{ action: 'Allow', destination: { services: { name: 'web' } } }],
    });
    const from = given('NetworkPolicy', 'shop/p', {
      types: ['Ingress'],
      ingress: [{ action: 'Allow', source: { services: { name: 'web', namespace: 'shop' } } }],
    });
    const slices = [
      slice('shop/web-1', 'web', ['10.0.0.5', '10.0.0.6'], ['tcp:80', 'udp:53']),
      slice('shop/web-2', 'web', ['10.0.0.6', '10.0.0.7'], ['tcp:80']),
      slice('other/web-1', 'web', ['10.0.0.8'], ['tcp:80']),
    ];
    const withPorts = ['10.0.0.5,tcp:80', '10.0.0.5,udp:53', '10.0.0.6,tcp:80', '10.0.0.6,udp:53', '10.0.0.7,tcp:80'];
    expect(members(play([LOCAL, to, ...slices]))).toEqual(withPorts);
    expect(members(play([...slices, LOCAL, from]))).toEqual(['10.0.0.5/32', '10.0.0.6/32', '10.0.0.7/32']);
    const first = slice('shop/web-1', 'web', ['10.0.0.5'], ['tcp:81']);
    expect(members(play([LOCAL, to, ...slices, 'inSync', 'flush', first]))).toEqual([
      '10.0.0.5,tcp:81',
      '10.0.0.6,tcp:80',
      '10.0.0.7,tcp:80',
    ]);
  });

  test('nothing when an update changes nothing', () => {
    const graph = new CalcGraph({ nodeName: NODE });
    for (const updates of SCENARIOS.values()) for (const update of updates) graph.update(update);
    graph.inSync();
    graph.flush();
    for (const updates of SCENARIOS.values()) for (const update of updates) graph.update(structuredClone(update));
    expect(graph.flush()).toEqual([]);
  });

  test('nothing more once everything is gone', () => {
    for (const [name, updates] of SCENARIOS) {
      const steps: (ResourceUpdate | 'inSync' | 'flush')[] = [...updates, 'inSync', 'flush', ...updates.map(gone)];
      const graph = new CalcGraph({ nodeName: NODE });
      const state = play(steps, graph);
      for (const [part, count] of Object.entries(graph.counts())) expect(`${name} ${part} ${count}`).toEndWith(' 0');
      const { config, inSync, serviceNets, ...maps } = state;
      expect([config, inSync, serviceNets]).toEqual([{}, true, []]);
      for (const map of Object.values(maps)) expect(map.size).toBe(0);
    }
  });
});
