import { expect, test } from 'bun:test';
import { addrToBytes, cidr, cidrContains, type Family, parseCidr } from '@calico/ip';
import { evaluate, findMismatch, type Packet } from '@calico/policy';
import fc from 'fast-check';
import { anyPacket, completeWorld, evaluatorWorld, programOf, type World } from '../../testing/worlds.ts';
import { bytesKey } from '../address-sets.ts';
import { profileOwner, RuleBook } from '../rule-book.ts';
import type { NetsBy } from './flat-rule.ts';
import { fact, Identities } from './identities.ts';
import { type MemberNet, NetClasses } from './net-classes.ts';
import { portRegions, protocolsOf, withPort, withProtocol } from './port-regions.ts';
import { merged, type Residual, type ResidualRule, reachable } from './residual.ts';

const side = { ingress: 'source', egress: 'destination' } as const;

/** What the lookups say of the packet, read one by one as the kernel does, but without any table. */
function decided(world: World, id: string, direction: 'ingress' | 'egress', packet: Packet, netsBy: NetsBy) {
  const { family } = packet;
  const book = new RuleBook(() => undefined);
  for (const [name, policy] of world.policies) book.set(name, policy);
  for (const [name, profile] of world.profiles) book.set(profileOwner(name), profile);
  const flat = book.flatProgram(programOf(world, id, direction), direction, family, netsBy);
  const { identities, nets } = facts(world, flat.sets, family);
  for (const [set, list] of flat.literals) {
    for (const net of list) nets.push({ set, net });
  }
  const peer = bytesKey(addrToBytes(packet[side[direction]]));
  const identity = identities.takeMoves().find(move => move.addresses.includes(peer))?.to;
  const sets = new Set([...(identity?.sets ?? []), ...new NetClasses(family, nets).at(peer).sets]);
  const base = flat.base(sets);
  const rules = merged(base.rules, flat.specific({ sets, ports: identity?.ports ?? new Map() }));
  const known = protocolsOf(rules, family).includes(packet.protocol);
  const ofProtocol = withProtocol(rules, known ? packet.protocol : undefined, family);
  const ofPort = packet.destinationPort === undefined ? ofProtocol : withPort(ofProtocol, packet.destinationPort);
  const region = portRegions(ofProtocol, 1e9)?.find(
    ({ first, last }) => first <= (packet.destinationPort ?? 0) && (packet.destinationPort ?? 0) <= last,
  );
  const ofRegion = packet.destinationPort === undefined ? ofProtocol : (region?.rules ?? []);
  const all = [rules, ofProtocol, ofPort, ofRegion].map(left => walk(reachable({ rules: left, ends: base.ends })));
  return all.map(ask => ask(packet, world));
}

function walk({ stages }: Residual) {
  return (packet: Packet, world: World): 'allow' | 'deny' => {
    const sets = evaluatorWorld(world);
    for (const { rules, denies } of stages) {
      const applies = ({ rule }: ResidualRule) => findMismatch(rule, packet, sets) === undefined;
      const found = rules.find(one => one.rule.action !== 'log' && applies(one))?.rule.action;
      if (found === 'allow' || found === 'deny') return found;
      if (found === undefined && denies !== undefined) return 'deny';
    }
    throw new Error('a program always decides');
  };
}

/** The members of the world's sets, told in the order that they stand there. */
function facts(world: World, asked: ReadonlySet<string>, family: Family) {
  const identities = new Identities();
  const nets: MemberNet[] = [];
  const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };
  for (const [set, { type, members }] of world.sets) {
    for (const member of asked.has(set) ? members : []) {
      const [address = '', name = '', port = ''] = member.split(/,|:(?=\d+$)/);
      const net = parseCidr(type === 'ipPort' ? address : member);
      if (net === undefined || net.addr.family !== family) continue;
      const bytes = bytesKey(addrToBytes(net.addr));
      if (type === 'ipPort') {
        identities.change(bytes, fact(set, { protocol: protocols[name] ?? 0, port: Number(port) }), true);
      } else if (net.length === (family === 4 ? 32 : 128)) identities.change(bytes, fact(set), true);
      else nets.push({ set, net });
    }
  }
  return { identities, nets };
}

test('identity, class of networks, protocol and port leave of a program what decides as the evaluator does', () => {
  const verdicts = { allow: 0, deny: 0 };
  const property = fc.property(
    completeWorld,
    fc.array(anyPacket, { minLength: 12, maxLength: 12 }),
    fc.constantFrom<NetsBy>('class', 'rule'),
    (world, packets, netsBy) => {
      for (const packet of packets) {
        for (const direction of ['ingress', 'egress'] as const) {
          const program = programOf(world, 'default/a', direction);
          const { verdict } = evaluate(program, direction, evaluatorWorld(world), packet);
          verdicts[verdict]++;
          expect(decided(world, 'default/a', direction, packet, netsBy)).toEqual([verdict, verdict, verdict, verdict]);
        }
      }
    },
  );
  fc.assert(property, { numRuns: 150, seed: 3 });
  expect(Math.min(verdicts.allow, verdicts.deny)).toBeGreaterThan((verdicts.allow + verdicts.deny) / 20);
}, 60_000);

const anyFact = fc.record({
  address: fc.constantFrom('a', 'b', 'c', 'd'),
  set: fc.constantFrom('s:a', 's:b', 's:c'),
  port: fc.option(fc.record({ protocol: fc.constantFrom(6, 17), port: fc.constantFrom(80, 443) }), { nil: undefined }),
  isTrue: fc.boolean(),
  take: fc.boolean(),
});

test('an identity is what holds of its addresses, whatever came and went before', () => {
  const property = fc.property(fc.array(anyFact, { maxLength: 40 }), history => {
    const identities = new Identities();
    const numbers = new Map<string, number>();
    const held = new Map<string, Set<string>>();
    const take = () => {
      for (const { addresses, from, to } of identities.takeMoves()) {
        for (const address of addresses) {
          expect(from?.number).toBe(numbers.get(address));
          if (to === undefined) numbers.delete(address);
          else numbers.set(address, to.number);
        }
      }
    };
    for (const { address, set, port, isTrue, take: now } of history) {
      identities.change(address, fact(set, port), isTrue);
      const facts = held.get(address) ?? new Set();
      held.set(address, facts);
      if (isTrue) facts.add(fact(set, port));
      else facts.delete(fact(set, port));
      if (now) take();
    }
    take();
    // A fresh start with what holds now gives the same numbers, so a restart changes no element.
    const fresh = new Identities();
    for (const [address, facts] of held) for (const one of facts) fresh.change(address, one, true);
    const wanted = fresh
      .takeMoves()
      .flatMap(({ addresses, to }) => (to === undefined ? [] : addresses.map(address => [address, to.number])));
    expect(Object.fromEntries(numbers)).toEqual(Object.fromEntries(wanted));
    const inA = [...held].filter(([, facts]) => [...facts].some(one => one.split('\0')[0] === 's:a'));
    const addresses = [...identities.inAny(['s:a'])].flatMap(identity => [...identity.addresses]);
    expect(addresses.sort()).toEqual(inA.map(([address]) => address).sort());
  });
  fc.assert(property, { numRuns: 300, seed: 4 });
});

const anyNet = fc
  .record({
    set: fc.constantFrom('s:a', 's:b', 's:c'),
    value: fc.constantFrom(0, 1, 0x0a000000, 0x0a000001, 0x0a0000ff, 0x0a010000, 0xfffffffe, 0xffffffff),
    length: fc.constantFrom(0, 1, 8, 16, 24, 30, 31, 32),
  })
  .map(({ set, value, length }): MemberNet => {
    const address = [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff).join('.');
    return { set, net: cidr(`${address}/${length}`) };
  });

test('classes of networks cut all addresses into pieces that say the same as a look at every network', () => {
  const property = fc.property(fc.array(anyNet, { maxLength: 12 }), members => {
    const nets = new NetClasses(4, members);
    let next = 0n;
    for (const { first, last, netClass } of nets.pieces) {
      expect(first).toBe(next);
      next = last + 1n;
      for (const value of [first, last]) {
        const address = { family: 4 as const, value };
        const sets = new Set(members.filter(({ net }) => cidrContains(net, address)).map(({ set }) => set));
        expect([...netClass.sets].sort()).toEqual([...sets].sort());
        expect(nets.at(bytesKey(addrToBytes(address)))).toBe(netClass);
      }
    }
    expect(next).toBe(1n << 32n);
    const numbers = [...nets.classes].map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
  fc.assert(property, { numRuns: 300, seed: 5 });
});
