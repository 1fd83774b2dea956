import type { EndpointId, LocalEndpoint, Message, SetType } from '@calico/calc';
import { addr, type Cidr, cidr, cidrContains, type Family, maskCidr, printAddr } from '@calico/ip';
import type { Direction, DirectionProgram, Match, Packet, PolicyProgram, ProfileProgram, Rule } from '@calico/policy';
import fc from 'fast-check';
import { endpoint, tier } from './builders.ts';

/** Everything that the calculation has told: sets, policies, profiles and endpoints by name. */
export interface World {
  readonly sets: ReadonlyMap<string, SetState>;
  readonly policies: ReadonlyMap<string, PolicyProgram>;
  readonly profiles: ReadonlyMap<string, ProfileProgram>;
  readonly endpoints: ReadonlyMap<EndpointId, LocalEndpoint>;
}

interface SetState {
  readonly type: SetType;
  readonly members: readonly string[];
}

const addresses: Record<Family, readonly string[]> = {
  4: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.1.1', '10.1.0.1', '192.168.0.1', '255.255.255.255'],
  6: ['fd00::1', 'fd00::2', 'fd00::3', 'fd00:0:0:1::1', 'fd01::1', 'ffff:ffff::1'],
};
const lengths: Record<Family, readonly number[]> = { 4: [0, 8, 16, 24, 29, 30, 31, 32], 6: [0, 16, 64, 126, 127, 128] };
const protocols = { withPorts: [6, 17, 132], others: [1, 58, 89] };
const portEdges = [0, 1, 79, 80, 81, 443, 8080, 65534, 65535];
const likelyPorts = [80, 443];
const setIds = { net: ['s:a', 's:b'], ipPort: ['n:a', 'svc:b'] } as const;
const policyIds = ['np/default/a', 'gnp/b', 'knp/default/c', 'sgnp/d'];
const profileIds = ['kns.default', 'ksa.default.a'];
const endpointIds = ['default/a', 'default/b', 'default/c'];
const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

const family = fc.constantFrom<Family>(4, 6);
const side = fc.constantFrom('source' as const, 'destination' as const);
const net: fc.Arbitrary<Cidr> = family.chain(f =>
  fc
    .tuple(fc.constantFrom(...addresses[f]), fc.constantFrom(...lengths[f]))
    .map(([address, length]) => maskCidr(cidr(`${address}/${length}`))),
);
const netMember = net.map(n => `${printAddr(n.addr)}/${n.length}`);
/** Few enough that packets hit some. */
const portMember = fc
  .tuple(
    fc.constantFrom(...addresses[4].slice(0, 4), ...addresses[6].slice(0, 3)),
    fc.constantFrom('tcp', 'tcp', 'udp', 'sctp'),
    fc.constantFrom(...likelyPorts),
  )
  .map(([address, name, port]) => `${address},${name}:${port}`);
const range = fc
  .tuple(fc.constantFrom(...portEdges), fc.constantFrom(...portEdges))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

const anyMatch: fc.Arbitrary<Match> = fc.oneof(
  fc.record({
    kind: fc.constant('protocol' as const),
    protocol: fc.constantFrom(...protocols.withPorts, ...protocols.others),
    negated: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('nets' as const), side, nets: fc.array(net, { maxLength: 3 }), negated: fc.boolean() }),
  fc.record({ kind: fc.constant('ipSet' as const), side, set: fc.constantFrom(...setIds.net), negated: fc.boolean() }),
  fc.record({
    kind: fc.constant('ipPortSet' as const),
    side,
    set: fc.constantFrom(...setIds.ipPort),
    negated: fc.boolean(),
  }),
  fc
    .tuple(fc.constantFrom(0, 3, 8, 128), fc.option(fc.constantFrom(0, 1), { nil: undefined }), fc.boolean())
    .map(([type, code, negated]) => ({
      kind: 'icmp' as const,
      type,
      ...(code === undefined ? {} : { code }),
      negated,
    })),
);

/** Ports come with their protocol, as the API demands. */
const portMatches: fc.Arbitrary<Match[]> = fc
  .record({
    side,
    ranges: fc.array(range, { maxLength: 3 }),
    sets: fc.uniqueArray(fc.constantFrom(...setIds.ipPort), { maxLength: 2 }),
    negated: fc.boolean(),
    protocol: fc.constantFrom(...protocols.withPorts),
  })
  .map(({ protocol, ...match }) => [
    { kind: 'ports', ...match },
    { kind: 'protocol', protocol, negated: false },
  ]);

const rules: fc.Arbitrary<Rule[]> = fc
  .array(
    fc.record({
      action: fc.constantFrom('allow' as const, 'deny' as const, 'pass' as const, 'log' as const),
      ipVersion: fc.constantFrom(undefined, undefined, undefined, 4 as const, 6 as const),
      matches: fc
        .tuple(fc.array(anyMatch, { maxLength: 2 }), fc.oneof(fc.constant([]), portMatches))
        .map(([some, ports]) => [...some, ...ports]),
    }),
    { maxLength: 4 },
  )
  .map(list =>
    list.map(({ ipVersion, ...rule }, index) => ({
      index,
      ...rule,
      ...(ipVersion === undefined ? {} : { ipVersion }),
    })),
  );

const directionProgram: fc.Arbitrary<DirectionProgram> = fc.record({
  tiers: fc
    .uniqueArray(
      fc.record({
        name: fc.constantFrom('security', 'platform', 'default'),
        policies: fc.uniqueArray(fc.constantFrom(...policyIds), { minLength: 1, maxLength: 3 }),
        defaultAction: fc.constantFrom('deny' as const, 'pass' as const),
      }),
      { maxLength: 3, selector: t => t.name },
    )
    .map(list => list.map(t => tier(t.name, t.policies, t.defaultAction))),
  profiles: fc.uniqueArray(fc.constantFrom(...profileIds), { maxLength: 2 }),
});

const bothDirections = fc.record({ ingress: rules, egress: rules });

/** One message about a policy's, profile's, set's or endpoint's present state, or its end; valid in any order. */
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...setIds.net), fc.uniqueArray(netMember, { maxLength: 6 }))
    .map(([id, members]): Message => ({ kind: 'ipSetUpdate', id, type: 'net', members })),
  fc
    .tuple(fc.constantFrom(...setIds.ipPort), fc.uniqueArray(portMember, { maxLength: 6 }))
    .map(([id, members]): Message => ({ kind: 'ipSetUpdate', id, type: 'ipPort', members })),
  fc.constantFrom(...setIds.net, ...setIds.ipPort).map((id): Message => ({ kind: 'ipSetRemove', id })),
  fc.tuple(fc.constantFrom(...policyIds), bothDirections, fc.integer({ min: 0, max: 4 })).map(
    ([id, both, dice]): Message => ({
      kind: 'policyUpdate',
      policy: { id, tier: 'default', staged: dice === 0, ...both },
    }),
  ),
  fc.constantFrom(...policyIds).map((id): Message => ({ kind: 'policyRemove', id })),
  fc
    .tuple(fc.constantFrom(...profileIds), bothDirections)
    .map(([id, both]): Message => ({ kind: 'profileUpdate', profile: { id, ...both } })),
  fc.constantFrom(...profileIds).map((id): Message => ({ kind: 'profileRemove', id })),
  fc
    .record({
      id: fc.constantFrom(...endpointIds),
      // One name for two endpoints happens while a pod is replaced.
      name: fc.constantFrom('calia', 'calib', 'calic'),
      ingress: directionProgram,
      egress: directionProgram,
      active: fc.integer({ min: 0, max: 5 }).map(dice => dice > 0),
      families: fc.constantFrom<readonly Family[]>([4], [4, 6], [6]),
    })
    .map(
      ({ id, name, families, ...rest }): Message => ({
        kind: 'endpointUpdate',
        id,
        endpoint: endpoint(name, rest.ingress, {
          ...rest,
          ipv4: families.includes(4) ? ['10.0.0.1/32'] : [],
          ipv6: families.includes(6) ? ['fd00::1/128'] : [],
        }),
      }),
    ),
  fc.constantFrom(...endpointIds).map((id): Message => ({ kind: 'endpointRemove', id })),
);

/** A world in which every name that is used is known, with the endpoints `default/a` on calia, `default/b` on calib. */
export const completeWorld: fc.Arbitrary<World> = fc
  .record({
    nets: fc.tuple(...setIds.net.map(() => fc.uniqueArray(netMember, { maxLength: 6 }))),
    ports: fc.tuple(...setIds.ipPort.map(() => fc.uniqueArray(portMember, { maxLength: 6 }))),
    policies: fc.tuple(...policyIds.map(() => bothDirections)),
    staged: fc.tuple(...policyIds.map(() => fc.integer({ min: 0, max: 4 }))),
    profiles: fc.tuple(...profileIds.map(() => bothDirections)),
    endpoints: fc.tuple(...['a', 'b'].map(() => fc.record({ ingress: directionProgram, egress: directionProgram }))),
  })
  .map(made => ({
    sets: new Map<string, SetState>([
      ...setIds.net.map((id, i) => [id, { type: 'net', members: made.nets[i] ?? [] }] as const),
      ...setIds.ipPort.map((id, i) => [id, { type: 'ipPort', members: made.ports[i] ?? [] }] as const),
    ]),
    policies: new Map(
      policyIds.map((id, i) => {
        const both = made.policies[i] ?? { ingress: [], egress: [] };
        return [id, { id, tier: 'default', staged: made.staged[i] === 0, ...both }] as const;
      }),
    ),
    profiles: new Map(
      profileIds.map((id, i) => [id, { id, ...(made.profiles[i] ?? { ingress: [], egress: [] }) }] as const),
    ),
    endpoints: new Map(
      made.endpoints.map((programs, i) => {
        const name = ['a', 'b'][i] ?? '';
        const own = { ipv4: [`10.0.0.${i + 1}/32`], ipv6: [`fd00::${i + 1}/128`] };
        return [`default/${name}`, endpoint(`cali${name}`, programs.ingress, { ...programs, ...own })] as const;
      }),
    ),
  }));

/** A packet between addresses that the worlds speak of. */
export const anyPacket: fc.Arbitrary<Packet> = fc
  .record({
    family,
    from: fc.nat(),
    to: fc.nat(),
    protocol: fc.constantFrom(6, 6, 6, ...protocols.withPorts, ...protocols.withPorts, ...protocols.others),
    sourcePort: fc.oneof(fc.constantFrom(...likelyPorts), fc.constantFrom(...portEdges, 40000)),
    destinationPort: fc.oneof(fc.constantFrom(...likelyPorts), fc.constantFrom(...portEdges, 40000)),
    icmpType: fc.constantFrom(0, 3, 8, 128),
    icmpCode: fc.constantFrom(0, 1),
  })
  .map(({ family, from, to, protocol, sourcePort, destinationPort, icmpType, icmpCode }) => {
    const pick = (n: number) => addr(addresses[family][n % addresses[family].length] ?? '');
    const isIcmp = protocol === 1 || protocol === 58;
    return {
      family,
      source: pick(from),
      destination: pick(to),
      protocol,
      ...(protocols.withPorts.includes(protocol) ? { sourcePort, destinationPort } : {}),
      ...(isIcmp ? { icmpType, icmpCode } : {}),
    };
  });

/** The world as the messages that tell of it. */
export function messagesOf(world: World): Message[] {
  return [
    ...[...world.sets].map(([id, set]): Message => ({ kind: 'ipSetUpdate', id, ...set })),
    ...[...world.policies.values()].map((policy): Message => ({ kind: 'policyUpdate', policy })),
    ...[...world.profiles.values()].map((profile): Message => ({ kind: 'profileUpdate', profile })),
    ...[...world.endpoints].map(([id, endpoint]): Message => ({ kind: 'endpointUpdate', id, endpoint })),
  ];
}

/** What is left of a history: of each object its newest message. */
export function worldAfter(history: readonly Message[]): World {
  const sets = new Map<string, SetState>();
  const policies = new Map<string, PolicyProgram>();
  const profiles = new Map<string, ProfileProgram>();
  const endpoints = new Map<EndpointId, LocalEndpoint>();
  for (const message of history) {
    if (message.kind === 'ipSetUpdate') sets.set(message.id, { type: message.type, members: message.members });
    else if (message.kind === 'ipSetRemove') sets.delete(message.id);
    else if (message.kind === 'policyUpdate') policies.set(message.policy.id, message.policy);
    else if (message.kind === 'policyRemove') policies.delete(message.id);
    else if (message.kind === 'profileUpdate') profiles.set(message.profile.id, message.profile);
    else if (message.kind === 'profileRemove') profiles.delete(message.id);
    else if (message.kind === 'endpointUpdate') endpoints.set(message.id, message.endpoint);
    else if (message.kind === 'endpointRemove') endpoints.delete(message.id);
  }
  return { sets, policies, profiles, endpoints };
}

/** The world as the evaluator asks it; members are read one by one. */
export function evaluatorWorld(world: World) {
  return {
    policy: (id: string) => world.policies.get(id),
    profile: (id: string) => world.profiles.get(id),
    setContains(id: string, address: Packet['source'], protocol?: number, port?: number): boolean {
      const members = world.sets.get(id)?.members ?? [];
      if (protocol === undefined) return members.some(member => cidrContains(cidr(member), address));
      return members.includes(`${printAddr(address)},${protocolNames[protocol]}:${port}`);
    },
  };
}

/** The program of an endpoint in one direction. */
export function programOf(world: World, id: EndpointId, direction: Direction): DirectionProgram {
  return world.endpoints.get(id)?.[direction] ?? { tiers: [], profiles: [] };
}
