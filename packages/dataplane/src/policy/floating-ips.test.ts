import { beforeEach, describe, expect, test } from 'bun:test';
import type { FloatingIp, Message } from '@calico/calc';
import { addr, addrFromBytes, printAddr } from '@calico/ip';
import { type Hook, printRule } from '@calico/kernel';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { closeWorkloads } from '../closed-rules.ts';
import { Dataplane } from '../dataplane.ts';
import { type DataplaneConfig, defaultDataplaneConfig } from '../dataplane-config.ts';
import { endpoint, program } from '../testing/builders.ts';

const table = { family: 'inet', name: 'calico' } as const;
const disabled: DataplaneConfig = { ...defaultDataplaneConfig, nodeName: 'node1' };
const enabled: DataplaneConfig = { ...disabled, floatingIps: true };
let kernel: FakeKernel;
let dataplane: Dataplane;

function start(config: DataplaneConfig): void {
  dataplane = new Dataplane(kernel, config);
  apply({ kind: 'inSync' });
}

beforeEach(() => {
  kernel = fakeKernel();
  start(enabled);
});

function apply(...messages: readonly Message[]): void {
  dataplane.handle(messages);
  dataplane.apply();
}

/** A pod with these own addresses, and floating ones as `external internal`. */
const podAt = (id: string, own: string[], floating: string[], active = true): Message => {
  const floatingIps = floating.map((text): FloatingIp => {
    const [external = '', internal = ''] = text.split(' ').map(host);
    return { external, internal };
  });
  const [ipv4, ipv6] = [own.filter(text => !text.includes(':')).map(host), own.filter(isV6).map(host)];
  return {
    kind: 'endpointUpdate',
    id: `d/${id}`,
    endpoint: endpoint(`cali${id}`, program([]), { ipv4, ipv6, floatingIps, active }),
  };
};
const isV6 = (text: string) => text.includes(':');
const host = (text: string) => `${text}/${isV6(text) ? 128 : 32}`;
const gone = (id: string): Message => ({ kind: 'endpointRemove', id: `d/${id}` });
const routeTo = (address: string, node?: string): Message => ({
  kind: 'routeUpdate',
  route: {
    ...{ cidr: host(address), type: node === undefined ? 'pool' : 'remoteHost', poolType: 'none', sameSubnet: false },
    ...{ natOutgoing: false, borrowed: false, block: false, ...(node && { node }) },
  },
});

/** An address of the node that the calculation knows nothing of. */
const ofNode = '192.0.2.200';

/** The address that a new connection's packet gets, with what it is instead of; undefined: none. */
function translated(hook: Hook, source: string, destination: string): string | undefined {
  const packet = { source: addr(source), destination: addr(destination), protocol: 6, destinationPort: 80 };
  const fib = () => ({ type: destination === ofNode ? ('local' as const) : ('unicast' as const) });
  const { nat } = kernel.nftables.classify(hook, packet, { iif: 'eth0', oif: 'eth0', fib });
  return nat?.address && `${nat.type} ${printAddr(addrFromBytes(nat.address))}`;
}
const leadsTo = (destination: string) =>
  translated('prerouting', isV6(destination) ? 'fd11::1' : '11.0.0.1', destination);

/** What our table has for floating IPs, as text; without elements. */
function parts(): string[] {
  const dump = kernel.nftables.dump(table);
  const setOf = (name: string) => dump?.sets.find(({ set }) => set.name === name)?.set;
  return [
    ...(dump?.sets ?? []).filter(({ set }) => set.name.includes('floating')).map(({ set }) => `map ${set.name}`),
    ...(dump?.chains ?? []).flatMap(({ chain: { name, type, hook, priority }, rules }) =>
      type !== 'nat' || hook === undefined
        ? []
        : [
            `chain ${name}, hook ${hook} priority ${priority}`,
            ...rules.map(({ exprs }) => `  ${printRule(exprs, { family: 'inet', setOf })}`),
          ],
    ),
  ].sort();
}

const web = podAt('web', ['10.0.0.1', 'fd00::1'], ['192.0.2.1 10.0.0.1', '2001:db8::1 fd00::1']);

describe('a floating IP', () => {
  test.each([
    { name: 'of a packet that arrives', hook: 'prerouting', to: '192.0.2.1', gets: 'dnat 10.0.0.1' },
    { name: 'of a packet of IPv6 that arrives', hook: 'prerouting', to: '2001:db8::1', gets: 'dnat fd00::1' },
    { name: 'of a packet of the node', hook: 'output', to: '192.0.2.1', gets: 'dnat 10.0.0.1' },
    { name: 'of a packet of IPv6 of the node', hook: 'output', to: '2001:db8::1', gets: 'dnat fd00::1' },
    { name: 'that nobody asks for', hook: 'prerouting', to: '192.0.2.2', gets: undefined },
    { name: 'beside the pod’s own address', hook: 'prerouting', to: '10.0.0.1', gets: undefined },
  ] as const)('$name: $gets', ({ hook, to, gets }) => {
    apply(web);
    expect(translated(hook, isV6(to) ? 'fd11::1' : '11.0.0.1', to)).toBe(gets);
  });

  test.each([
    { name: 'a pod that reaches itself', from: '10.0.0.1', to: '10.0.0.1', gets: 'snat 192.0.2.1' },
    { name: 'a pod that reaches itself by IPv6', from: 'fd00::1', to: 'fd00::1', gets: 'snat 2001:db8::1' },
    { name: 'another pod', from: '10.0.0.2', to: '10.0.0.1', gets: undefined },
    { name: 'the pod on its way elsewhere', from: '10.0.0.1', to: '10.0.0.2', gets: undefined },
  ] as const)('is the source of $name: $gets', ({ from, to, gets }) => {
    apply(web);
    expect(translated('postrouting', from, to)).toBe(gets);
  });

  test('of several, the first is the one that a pod sees itself by', () => {
    apply(podAt('web', ['10.0.0.1'], ['192.0.2.9 10.0.0.1', '192.0.2.1 10.0.0.1']));
    expect([leadsTo('192.0.2.1'), leadsTo('192.0.2.9')]).toEqual(['dnat 10.0.0.1', 'dnat 10.0.0.1']);
    expect(translated('postrouting', '10.0.0.1', '10.0.0.1')).toBe('snat 192.0.2.9');
  });

  test('that two pods ask for is the one’s with the lower name, whoever came first, and then the other’s', () => {
    const pods = [
      podAt('b', ['10.0.0.2'], ['192.0.2.1 10.0.0.2']),
      podAt('a', ['10.0.0.1'], ['192.0.2.1 10.0.0.1']),
    ] as const;
    for (const order of [pods, pods.toReversed()]) {
      apply(...order);
      expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.1');
      expect(translated('postrouting', '10.0.0.2', '10.0.0.2')).toBeUndefined();
      apply(gone('a'));
      expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.2');
      expect(translated('postrouting', '10.0.0.2', '10.0.0.2')).toBe('snat 192.0.2.1');
      apply(gone('b'));
      expect(leadsTo('192.0.2.1')).toBeUndefined();
    }
  });

  test('goes with what asks for it: the annotation, the pod, or its activity', () => {
    for (const without of [podAt('web', ['10.0.0.1'], []), gone('web')]) {
      apply(web);
      expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.1');
      apply(without);
      expect(leadsTo('192.0.2.1')).toBeUndefined();
      expect(translated('postrouting', '10.0.0.1', '10.0.0.1')).toBeUndefined();
    }
    apply(podAt('web', ['10.0.0.1'], ['192.0.2.1 10.0.0.1'], false));
    expect(leadsTo('192.0.2.1')).toBeUndefined();
  });

  test('is nobody’s while it is known to be somebody’s address', () => {
    apply(routeTo('192.0.2.1', 'node2'), web);
    expect(leadsTo('192.0.2.1')).toBeUndefined();
    apply({ kind: 'routeRemove', cidr: '192.0.2.1/32' });
    expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.1');
    apply(routeTo('192.0.2.1', 'node2'));
    expect(leadsTo('192.0.2.1')).toBeUndefined();
    expect(leadsTo('2001:db8::1')).toBe('dnat fd00::1');
  });

  test('is nobody’s where it is an address of the node', () => {
    apply(podAt('web', ['10.0.0.1'], [`${ofNode} 10.0.0.1`]));
    expect([leadsTo(ofNode), translated('output', '11.0.0.1', ofNode)]).toEqual([undefined, undefined]);
  });

  test('may be a pool of its own', () => {
    apply(routeTo('192.0.2.1'), web);
    expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.1');
  });
});

describe('the parameter', () => {
  const postrouting = [
    '  ip saddr @nat-outgoing-4 ip daddr != @ip-pools-4 masquerade fully-random',
    '  ip6 saddr @nat-outgoing-6 ip6 daddr != @ip-pools-6 masquerade fully-random',
    'chain nat-postrouting, hook postrouting priority 110',
  ];
  const all = [
    ...postrouting,
    ...['prerouting', 'output'].flatMap(hook => [
      `chain nat-${hook}, hook ${hook} priority -90`,
      '  fib daddr type != local dnat ip to ip daddr map @floating-ips-4',
      '  fib daddr type != local dnat ip6 to ip6 daddr map @floating-ips-6',
    ]),
    '  snat ip to ip saddr . ip daddr map @own-floating-ips-4',
    '  snat ip6 to ip6 saddr . ip6 daddr map @own-floating-ips-6',
    ...['floating-ips-4', 'floating-ips-6', 'own-floating-ips-4', 'own-floating-ips-6'].map(name => `map ${name}`),
  ].sort();

  test('has maps and chains come and go, live and by a restart; without it there are none', () => {
    apply(web);
    expect(parts()).toEqual(all);
    for (const change of [(config: DataplaneConfig) => dataplane.reconfigure(config), start]) {
      change(disabled);
      apply(web);
      expect(parts()).toEqual([...postrouting].sort());
      expect(leadsTo('192.0.2.1')).toBeUndefined();
      change(enabled);
      apply(web);
      expect(parts()).toEqual(all);
      expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.1');
    }
  });

  test('takes over from the rules that keep all pods closed', () => {
    kernel = fakeKernel();
    closeWorkloads(kernel, enabled);
    expect(parts()).toEqual([...postrouting].sort());
    start(enabled);
    apply(web);
    expect(parts()).toEqual(all);
    expect(leadsTo('192.0.2.1')).toBe('dnat 10.0.0.1');
  });
});
