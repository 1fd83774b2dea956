import { describe, expect, test } from 'bun:test';
import { addr, addrToBytes } from '@calico/ip';
import { type Hook, printRule } from '@calico/kernel';
import { fakeNftables, type PacketContext } from '@calico/kernel/fake';
import { defaultDataplaneConfig } from '../dataplane-config.ts';
import { expectGolden } from '../testing/golden.ts';
import { bytesKey } from './address-sets.ts';
import { type BaseChainConfig, baseChains, baseSets } from './base-chains.ts';
import { interfaceNameBytes, verdict } from './expressions.ts';
import { InterfaceMaps } from './interface-maps.ts';
import { allowedSourceSet, natSourceSet, poolSet, serviceSet, vxlanHostSet } from './names.ts';
import { NftablesWriter } from './nftables-writer.ts';
import { Ruleset } from './ruleset.ts';

const config: BaseChainConfig = {
  ...defaultDataplaneConfig,
  vxlanPort: 4789,
};

/** A node with one workload, calia, whose own policy allows everything. */
function node(change: Partial<BaseChainConfig> = {}) {
  const ruleset = new Ruleset();
  const net = (first: string, last: string) => bytesKey(addrToBytes(addr(first))) + bytesKey(addrToBytes(addr(last)));
  for (const spec of baseSets()) ruleset.addSet(spec, []);
  ruleset.setElement(poolSet(4), net('10.0.0.0', '10.0.255.255'), '');
  ruleset.setElement(natSourceSet(4), net('10.0.0.0', '10.0.127.255'), '');
  ruleset.setElement(serviceSet(4), net('10.96.0.0', '10.96.255.255'), '');
  ruleset.setElement(serviceSet(6), net('fd96::', 'fd96::ffff'), '');
  ruleset.setElement(vxlanHostSet(4), bytesKey(addrToBytes(addr('172.16.0.2'))), '');
  const face = bytesKey(interfaceNameBytes('calia'));
  for (const [first, last, family] of [
    ['192.0.2.0', '192.0.2.255', 4],
    ['fd99::', 'fd99::ffff', 6],
  ] as const) {
    const key = [first, last].map(text => face + bytesKey(addrToBytes(addr(text)))).join('');
    ruleset.setElement(allowedSourceSet(family), key, '');
  }
  ruleset.setChain({ spec: { name: 'allow' }, rules: [[verdict('accept')]] });
  const interfaces = new InterfaceMaps(ruleset, () => 'allow');
  interfaces.claim('calia', 'default/a');
  interfaces.linkIs('calia', 7);
  interfaces.write();
  for (const chain of baseChains({ ...config, ...change })) ruleset.setChain(chain);
  const nftables = fakeNftables();
  new NftablesWriter(nftables, ruleset).apply();
  return nftables;
}

const local: PacketContext['fib'] = () => ({ type: 'local', oif: { name: 'lo', index: 1 } });
const web = { source: addr('10.0.0.1'), destination: addr('10.0.0.2'), protocol: 6, destinationPort: 80 };
const service = { ...web, destination: addr('10.96.0.9') };
const vxlan = { source: addr('172.16.0.2'), destination: addr('172.16.0.1'), protocol: 17, destinationPort: 4789 };
const ipip = { source: addr('10.0.0.1'), destination: addr('172.16.0.1'), protocol: 4 };
const neighbour = { source: addr('fe80::1'), destination: addr('ff02::1'), protocol: 58, icmpType: 135 };

interface Case {
  readonly name: string;
  readonly hook: Hook;
  readonly packet: Parameters<ReturnType<typeof fakeNftables>['classify']>[1];
  readonly context: PacketContext;
  readonly change?: Partial<BaseChainConfig>;
  readonly verdict: 'accept' | 'drop';
}

const cases: Case[] = [
  {
    name: 'a known workload’s packet',
    hook: 'forward',
    packet: web,
    context: { iif: 'calia', oif: 'eth0' },
    verdict: 'accept',
  },
  {
    name: 'an unknown workload’s packet',
    hook: 'forward',
    packet: web,
    context: { iif: 'calix', oif: 'eth0' },
    verdict: 'drop',
  },
  {
    name: 'a packet to a known workload',
    hook: 'forward',
    packet: web,
    context: { iif: 'eth0', oif: 'calia' },
    verdict: 'accept',
  },
  {
    name: 'a packet to an unknown workload',
    hook: 'forward',
    packet: web,
    context: { iif: 'eth0', oif: 'calix' },
    verdict: 'drop',
  },
  ...(['calia', 'calix', 'renamed'] as const).flatMap((name): Case[] => [
    {
      name: `a packet from a known workload’s interface that is called ${name} now`,
      hook: 'forward',
      packet: web,
      context: { iif: { name, index: 7 }, oif: 'eth0' },
      verdict: 'accept',
    },
    {
      name: `a packet to a known workload’s interface that is called ${name} now`,
      hook: 'forward',
      packet: web,
      context: { iif: 'eth0', oif: { name, index: 7 } },
      verdict: 'accept',
    },
    {
      name: `VXLAN from a workload’s interface that is called ${name} now`,
      hook: 'forward',
      packet: vxlan,
      context: { iif: { name, index: 7 }, oif: 'eth0' },
      verdict: 'drop',
    },
    {
      name: `an invalid packet to a workload’s interface that is called ${name} now`,
      hook: 'forward',
      packet: web,
      context: { iif: 'eth0', oif: { name, index: 7 }, conntrackState: 'invalid' },
      verdict: 'drop',
    },
    {
      name: `a packet to the host from a workload’s interface that is called ${name} now`,
      hook: 'input',
      packet: web,
      context: { iif: { name, index: 7 }, fib: local },
      verdict: 'drop',
    },
    {
      name: `a packet with an address that is not routed to the workload’s interface that is called ${name} now`,
      hook: 'prerouting',
      packet: web,
      context: { iif: { name, index: 7 }, fib: () => undefined },
      verdict: 'drop',
    },
  ]),
  {
    name: 'a packet from outside to a service that nobody translated',
    hook: 'forward',
    packet: service,
    context: { iif: 'eth0', oif: 'eth0' },
    verdict: 'drop',
  },
  {
    name: 'the same of IPv6',
    hook: 'forward',
    packet: { ...service, source: addr('fd00::1'), destination: addr('fd96::9') },
    context: { iif: 'eth0', oif: 'eth0' },
    verdict: 'drop',
  },
  {
    name: 'a workload’s packet to a service that nobody translated',
    hook: 'forward',
    packet: service,
    context: { iif: 'calia', oif: 'eth0' },
    verdict: 'drop',
  },
  {
    name: 'a packet to a service that nobody translated where loops are not prevented',
    hook: 'forward',
    packet: service,
    context: { iif: 'eth0', oif: 'eth0' },
    change: { serviceLoopPrevention: 'Disabled' },
    verdict: 'accept',
  },
  {
    name: 'a packet to a workload that has an address of services',
    hook: 'forward',
    packet: service,
    context: { iif: 'eth0', oif: 'calia' },
    verdict: 'accept',
  },
  {
    name: 'a packet of a connection to a service that is followed',
    hook: 'forward',
    packet: service,
    context: { iif: 'eth0', oif: 'eth0', conntrackState: 'established' },
    verdict: 'accept',
  },
  {
    name: 'a packet from an address of services',
    hook: 'forward',
    packet: { ...web, source: addr('10.96.0.9') },
    context: { iif: 'eth0', oif: 'eth0' },
    verdict: 'accept',
  },
  {
    name: 'a packet that is none of ours',
    hook: 'forward',
    packet: web,
    context: { iif: 'eth0', oif: 'eth1' },
    verdict: 'accept',
  },
  ...(['established', 'related'] as const).map((conntrackState): Case => {
    const context = { iif: 'calix', oif: 'caliy', conntrackState };
    return {
      name: `a packet of a connection that is ${conntrackState}`,
      hook: 'forward',
      packet: web,
      context,
      verdict: 'accept',
    };
  }),
  ...(['forward', 'input'] as const).flatMap(hook =>
    [0x400, 0x40e].map((conntrackStatus): Case => {
      const context = {
        iif: 'calia',
        oif: 'eth0',
        conntrackState: 'established',
        conntrackStatus,
        fib: local,
      } as const;
      const name = `a packet of a connection that was cut (${conntrackStatus.toString(16)}) in ${hook}`;
      return { name, hook, packet: web, context, verdict: 'drop' };
    }),
  ),
  {
    name: 'an invalid packet from a workload',
    hook: 'forward',
    packet: web,
    context: { iif: 'calia', oif: 'eth0', conntrackState: 'invalid' },
    verdict: 'drop',
  },
  {
    name: 'an invalid packet to a workload',
    hook: 'forward',
    packet: web,
    context: { iif: 'eth0', oif: 'calia', conntrackState: 'invalid' },
    verdict: 'drop',
  },
  {
    name: 'an invalid packet that is none of ours',
    hook: 'forward',
    packet: web,
    context: { iif: 'eth0', oif: 'eth1', conntrackState: 'invalid' },
    verdict: 'accept',
  },
  {
    name: 'VXLAN from a workload',
    hook: 'forward',
    packet: vxlan,
    context: { iif: 'calia', oif: 'eth0' },
    verdict: 'drop',
  },
  {
    name: 'VXLAN from a workload that may',
    hook: 'forward',
    packet: vxlan,
    context: { iif: 'calia', oif: 'eth0' },
    change: { allowVxlanFromWorkloads: true },
    verdict: 'accept',
  },
  {
    name: 'IPIP from a workload',
    hook: 'forward',
    packet: ipip,
    context: { iif: 'calia', oif: 'eth0' },
    verdict: 'drop',
  },
  {
    name: 'IPIP from a workload that may',
    hook: 'forward',
    packet: ipip,
    context: { iif: 'calia', oif: 'eth0' },
    change: { allowIpipFromWorkloads: true },
    verdict: 'accept',
  },
  {
    name: 'an invalid packet from a workload, where these are not looked for',
    hook: 'forward',
    packet: web,
    context: { iif: 'calia', oif: 'eth0', conntrackState: 'invalid' },
    change: { disableConntrackInvalidCheck: true },
    verdict: 'accept',
  },
  ...['calix', 'tap1'].map((iif): Case => {
    const change = { interfacePrefixes: ['cali', 'tap'] };
    const name = `an unknown workload’s packet by ${iif}, with two prefixes`;
    return { name, hook: 'forward', packet: web, context: { iif, oif: 'eth0' }, change, verdict: 'drop' };
  }),
  {
    name: 'VXLAN from an external node',
    hook: 'input',
    packet: { ...vxlan, source: addr('192.0.2.7') },
    context: { iif: 'eth0', fib: local },
    change: { externalNodes: ['192.0.2.0/24', 'fd00::/8'] },
    verdict: 'accept',
  },
  {
    name: 'VXLAN from beside the external nodes',
    hook: 'input',
    packet: { ...vxlan, source: addr('192.0.3.7') },
    context: { iif: 'eth0', fib: local },
    change: { externalNodes: ['192.0.2.0/24'] },
    verdict: 'drop',
  },
  ...(['drop', 'return', 'accept'] as const).map((action): Case => {
    const name = `a workload’s packet to its host with action ${action}`;
    const change = { endpointToHostAction: action };
    return {
      name,
      hook: 'input',
      packet: web,
      context: { iif: 'calia', fib: local },
      change,
      verdict: action === 'drop' ? 'drop' : 'accept',
    };
  }),
  {
    name: 'an unknown workload’s packet to its host',
    hook: 'input',
    packet: web,
    context: { iif: 'calix', fib: local },
    change: { endpointToHostAction: 'accept' },
    verdict: 'drop',
  },
  {
    name: 'neighbour discovery of a workload',
    hook: 'input',
    packet: neighbour,
    context: { iif: 'calix', fib: local },
    verdict: 'accept',
  },
  { name: 'VXLAN from a node', hook: 'input', packet: vxlan, context: { iif: 'eth0', fib: local }, verdict: 'accept' },
  {
    name: 'VXLAN from elsewhere',
    hook: 'input',
    packet: { ...vxlan, source: addr('172.16.0.9') },
    context: { iif: 'eth0', fib: local },
    verdict: 'drop',
  },
  {
    name: 'VXLAN while there is no overlay',
    hook: 'input',
    packet: { ...vxlan, source: addr('172.16.0.9') },
    context: { iif: 'eth0', fib: local },
    change: { vxlanPort: undefined },
    verdict: 'accept',
  },
  {
    name: 'a packet to the host from elsewhere',
    hook: 'input',
    packet: web,
    context: { iif: 'eth0', fib: local },
    verdict: 'accept',
  },
  {
    name: 'a workload’s own address',
    hook: 'prerouting',
    packet: web,
    context: { iif: 'calia', fib: () => ({ type: 'unicast', oif: { name: 'calia', index: 7 } }) },
    verdict: 'accept',
  },
  {
    name: 'a workload’s false address',
    hook: 'prerouting',
    packet: web,
    context: { iif: 'calia', fib: () => undefined },
    verdict: 'drop',
  },
  ...(
    [
      { from: '192.0.2.9', iif: 'calia', sourceSpoofing: 'Any', verdict: 'accept' },
      { from: 'fd99::9', iif: 'calia', sourceSpoofing: 'Any', verdict: 'accept' },
      { from: '192.0.3.0', iif: 'calia', sourceSpoofing: 'Any', verdict: 'drop' },
      { from: '192.0.2.9', iif: 'calib', sourceSpoofing: 'Any', verdict: 'drop' },
      { from: '192.0.2.9', iif: 'calia', sourceSpoofing: 'Disabled', verdict: 'drop' },
    ] as const
  ).map(({ from, iif, sourceSpoofing, verdict }): Case => {
    const name = `a packet from ${from} by ${iif}, which is not its own address, with spoofing ${sourceSpoofing}`;
    const destination = from.includes(':') ? addr('fd00::2') : web.destination;
    const packet = { ...web, source: addr(from), destination };
    return {
      name,
      hook: 'prerouting',
      packet,
      context: { iif, fib: () => undefined },
      change: { sourceSpoofing },
      verdict,
    };
  }),
  {
    name: 'another interface’s asymmetric route',
    hook: 'prerouting',
    packet: web,
    context: { iif: 'eth0', fib: () => undefined },
    verdict: 'accept',
  },
];

describe('base chains', () => {
  test.each(cases)('$name: $verdict', ({ hook, packet, context, change, verdict }) => {
    expect(node(change).classify(hook, packet, context).verdict).toBe(verdict);
  });

  test.each([
    { name: 'from a pool with NAT to the outside', source: '10.0.0.1', destination: '198.51.100.1', translated: true },
    { name: 'between pools', source: '10.0.0.1', destination: '10.0.200.1', translated: false },
    { name: 'from a pool without NAT', source: '10.0.200.1', destination: '198.51.100.1', translated: false },
    { name: 'from no pool', source: '172.16.0.1', destination: '198.51.100.1', translated: false },
  ])('the source is translated $name: $translated', ({ source, destination, translated }) => {
    const packet = { ...web, source: addr(source), destination: addr(destination) };
    const { nat } = node().classify('postrouting', packet, { iif: 'calia', oif: 'eth0' });
    expect(nat?.type).toBe(translated ? 'masquerade' : undefined);
  });

  test.each([
    { name: 'the address that is given', change: { natOutgoingAddress: '192.0.2.1' }, type: 'snat' },
    {
      name: 'that of the interface, the given one being of IPv6',
      change: { natOutgoingAddress: 'fd::1' },
      type: 'masquerade',
    },
    {
      name: 'a port of the range',
      change: { natPortRange: { first: 1000, last: 2000 } },
      type: 'masquerade',
      port: 1000,
    },
    {
      name: 'the given address and a port of the range',
      change: { natOutgoingAddress: '192.0.2.1', natPortRange: { first: 1000, last: 2000 } },
      type: 'snat',
      port: 1000,
    },
    { name: 'none for a node’s address', change: { natOutgoingExclusions: 'IPPoolsAndHostIPs' }, to: '172.16.0.2' },
    { name: 'one for a node’s address unless told otherwise', change: {}, to: '172.16.0.2', type: 'masquerade' },
    { name: 'one by the interface of the filter', change: { natInterfaceFilter: 'eth0' }, type: 'masquerade' },
    { name: 'one by an interface of the filter', change: { natInterfaceFilter: 'et+' }, type: 'masquerade' },
    { name: 'none by another interface', change: { natInterfaceFilter: 'eth' } },
  ] as const)('a packet that leaves the pools gets $name', ({ change, ...want }) => {
    const packet = { ...web, sourcePort: 5, destination: addr('to' in want ? want.to : '198.51.100.1') };
    const { nat } = node(change).classify('postrouting', packet, { iif: 'calia', oif: 'eth0' });
    expect(nat?.type).toBe('type' in want ? want.type : undefined);
    if ('port' in want) expect(nat).toMatchObject({ port: want.port });
    if (nat?.type === 'snat') expect(nat).toMatchObject({ address: addrToBytes(addr('192.0.2.1')) });
  });

  test('a packet without ports that leaves the pools keeps the rest of the rule', () => {
    const packet = { source: addr('10.0.0.1'), destination: addr('198.51.100.1'), protocol: 1, icmpType: 8 };
    const range = { natPortRange: { first: 1000, last: 2000 } };
    expect(node(range).classify('postrouting', packet, { iif: 'calia', oif: 'eth0' }).nat).toEqual({
      type: 'masquerade',
    });
  });

  test('denied packets are answered where that is asked for', () => {
    const context = { iif: 'calix', oif: 'eth0' };
    expect(node().classify('forward', web, context)).not.toHaveProperty('reject');
    const { verdict, reject } = node({ denyAction: 'reject' }).classify('forward', web, context);
    expect({ verdict, reject }).toEqual({ verdict: 'drop', reject: { type: 'icmpx', code: 1 } });
  });

  test('is told to whoever asks for a service that nobody translated, where this is asked for', () => {
    const between = { iif: 'eth0', oif: 'eth0' };
    expect(node().classify('forward', service, between)).not.toHaveProperty('reject');
    const { verdict, reject } = node({ serviceLoopPrevention: 'Reject' }).classify('forward', service, between);
    expect({ verdict, reject }).toEqual({ verdict: 'drop', reject: { type: 'icmpx', code: 1 } });
  });

  test('both ends of a TCP connection that was cut are told, others are not', () => {
    const context = { iif: 'calia', oif: 'eth0', conntrackState: 'established', conntrackStatus: 0x400 } as const;
    expect(node().classify('forward', web, context).reject).toEqual({ type: 'tcpReset' });
    expect(node().classify('forward', { ...web, protocol: 17 }, context)).not.toHaveProperty('reject');
  });

  test('the overlay’s own packets are not tracked', () => {
    const context = { iif: 'eth0', fib: local };
    expect(node().classify('prerouting', vxlan, context).conntrackState).toBe('untracked');
    expect(node({ vxlanPort: undefined }).classify('prerouting', vxlan, context).conntrackState).toBe('new');
  });

  test('are what the golden file shows', () => {
    const text = baseChains(config).map(({ spec, rules }) => {
      const { name, type = 'filter', hook, priority } = spec;
      return [
        hook === undefined ? `chain ${name}:` : `chain ${name}, ${type} hook ${hook} priority ${priority}:`,
        ...rules.map(r => `  ${printRule(r, { family: 'inet' })}`),
        '',
      ].join('\n');
    });
    expectGolden('base-chains.nft', text.join('\n'));
  });
});
