import { familyOf } from '../oracle/address.ts';
import type { Decision, Oracle } from '../oracle/oracle.ts';
import { type Packet, type Place, protocolNumber } from '../oracle/packet.ts';
import type { RawResource } from '../oracle/resources.ts';
import type { Dice } from './dice.ts';
import { containerPorts, portNames, type World } from './world.ts';

/**
 * Packets that try the policies where they are likely to be wrong: on the ports that rules name, one below, one above,
 * on the container ports, between every kind of ends. Half of them allowed and half denied, as far as the policies give
 * both; those that no policy governs only when there are not enough others. No packet goes from a pod to itself.
 */
export function makePackets(
  dice: Dice,
  count: number,
  world: World,
  policies: readonly RawResource[],
  outside: readonly string[],
  protocols: readonly number[],
  oracle: Oracle,
  families: readonly (4 | 6)[],
): Packet[] {
  const ports = interestingPorts(policies);
  const candidates = distinct(
    dice.times(count * 5, () => makePacket(dice, world, ports, outside, protocols, families)),
  );
  const judged = candidates.map(packet => ({ packet, answer: oracle.judge(packet) }));
  const telling = judged.filter(({ answer }) => [answer.egress, answer.ingress].some(isByPolicy));
  const ordered = [...telling, ...judged.filter(each => !telling.includes(each))];
  const allowed = ordered.filter(({ answer }) => answer.verdict === 'allow');
  const denied = ordered.filter(({ answer }) => answer.verdict === 'deny');
  const half = Math.ceil(count / 2);
  const fewAllowed = allowed.slice(0, Math.max(half, count - denied.length));
  const chosen = new Set([...fewAllowed, ...denied.slice(0, count - Math.min(fewAllowed.length, count))]);
  return judged.filter(each => chosen.has(each)).map(({ packet }) => packet);
}

/** True when policies had a say, be it only by the end of their tier. */
function isByPolicy(decision: Decision | undefined): boolean {
  return decision?.action !== undefined && decision.action !== 'No policy';
}

function makePacket(
  dice: Dice,
  world: World,
  ports: readonly number[],
  outside: readonly string[],
  protocols: readonly number[],
  families: readonly (4 | 6)[],
): Packet {
  const ipVersion = dice.pick(families);
  const near = outside.filter(each => familyOf(each) === ipVersion);
  const pod = (): Place => ({ pod: dice.pick(world.pods).key });
  const address = (): Place => ({ ip: dice.pick(near) });
  const [source, destination] = dice.weighted<() => [Place, Place]>([
    [8, () => [pod(), pod()]],
    [near.length > 0 ? 1 : 0, () => [address(), pod()]],
    [near.length > 0 ? 1 : 0, () => [pod(), address()]],
  ])();
  if ('pod' in source && 'pod' in destination && source.pod === destination.pod) {
    return makePacket(dice, world, ports, outside, protocols, families);
  }
  const protocol = dice.weighted(protocols.map(each => [{ 6: 8, 17: 5, 132: 2, 1: 3 }[each] ?? 1, each] as const));
  if (protocol === 1) {
    const [icmpType, icmpCode] = dice.pick(icmpKinds[ipVersion]);
    return { source, destination, protocol: ipVersion === 4 ? 1 : 58, icmpType, icmpCode, ipVersion };
  }
  if (![6, 17, 132].includes(protocol)) return { source, destination, protocol, ipVersion };
  const sourcePort = dice.pick([1023, 1024, 32767, 32768, 39999, 40000, 40001, 50000]);
  const target = world.pods.find(each => 'pod' in destination && each.key === destination.pod);
  const listening = containerPorts(target).filter(each => protocolNumber(each.protocol) === protocol);
  const destinationPort =
    listening.length > 0 && dice.percent(45) ? dice.pick(listening).containerPort : dice.pick(ports);
  return { source, destination, protocol, sourcePort, destinationPort, ipVersion };
}

/** Types and codes of ICMP (RFC 792) and ICMPv6 (RFC 4443, RFC 4620) that rules speak of, or nearly. */
const icmpKinds: Readonly<Record<4 | 6, readonly (readonly [type: number, code: number])[]>> = {
  4: [
    [8, 0],
    [8, 0],
    [8, 4],
    [13, 0],
    [3, 4],
    [3, 1],
  ],
  6: [
    [128, 0],
    [128, 0],
    [128, 4],
    [139, 0],
    [1, 4],
    [1, 1],
  ],
};

/** Container ports, every number that the policies mention as a port or a range's end, and their neighbours. */
function interestingPorts(policies: readonly RawResource[]): number[] {
  const container = Object.values(portNames).flatMap(each => each.map(({ containerPort }) => containerPort));
  const mentioned = policies.flatMap(({ spec }) => numbersUnder(spec));
  return [...new Set([...container, 9000, ...mentioned.flatMap(port => [port - 1, port, port, port + 1])])].filter(
    port => port >= 1 && port <= 65_535,
  );
}

/** The port numbers in a piece of JSON: under `ports` and `notPorts`, `port` and `endPort`, `number`, `start` and `end`. */
function numbersUnder(value: unknown): number[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (['port', 'endPort', 'number', 'start', 'end'].includes(key)) return typeof inner === 'number' ? [inner] : [];
    if (
      (key === 'ports' || key === 'notPorts') &&
      Array.isArray(inner) &&
      inner.some(each => typeof each !== 'object')
    ) {
      return inner
        .flatMap(each => String(each).split(':'))
        .filter(each => /^\d+$/.test(each))
        .map(Number);
    }
    return numbersUnder(inner);
  });
}

function distinct(packets: readonly Packet[]): Packet[] {
  return [...new Map(packets.map(packet => [JSON.stringify(packet), packet])).values()];
}
