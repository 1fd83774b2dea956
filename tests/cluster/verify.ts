import { type Resource, workloadInterfaceName } from '@calico/api';
import { worldOf } from '@calico/calc';
import { addr } from '@calico/ip';
import { fillThreadPool } from '@calico/kernel/linux';
import { RawReceiver, RawSender } from '@calico/lab';
import { evaluate } from '@calico/policy';
import { addToCoverage, type Coverage, emptyCoverage, printCoverage } from '../cases/coverage.ts';
import { type BoundCase, type Case, generateCase } from '../cases/generate.ts';
import type { Packet } from '../oracle/packet.ts';
import { externalAddress6, TestCluster } from './cluster.ts';

/** What a run has found. */
export interface Verification {
  readonly cases: number;
  readonly packets: number;
  /** Packets about which oracle, evaluator and kernel do not agree, in words. */
  readonly differences: readonly string[];
  readonly coverage: Coverage;
  /** What the cases should have tried and did not, or not often enough. */
  readonly lacking: readonly string[];
}

type Verdict = 'allow' | 'deny';

const protocols = [6, 17, 132, 1, 89];
/** ICMPv6 has a number of its own. */
const seenProtocols = [...protocols, 58];
const outside = ['198.51.100.10', externalAddress6];

/** ICMP types that open a connection in conntrack; any other is invalid without one, and invalid packets are dropped. */
const openingIcmpTypes: Readonly<Record<number, readonly number[]>> = { 1: [8, 13, 15, 17], 58: [128, 139] };

/**
 * Random clusters on the real kernel, each of two nodes, at least eight pods of both families and ten policies, and forty packets: what
 * the oracle says of each is compared with the evaluator's answer and with what becomes of the packet. In every second one
 * policies stood in other places before. Goes on as long as `more` says.
 */
export async function verify(options: { firstSeed: number; more: (cases: number) => boolean }): Promise<Verification> {
  await fillThreadPool();
  const cluster = new TestCluster({
    nodes: 2,
    encapsulation: 'vxlan',
    nodeName: i => `node-${i + 1}`,
    // One node has every program as lookups, the other as it would have it by itself.
    compiler: i => (i === 0 ? { rulesInOrder: 0 } : {}),
  });
  const differences: string[] = [];
  const coverage = emptyCoverage();
  let packets = 0;
  let cases = 0;
  try {
    while (!cluster.isSettled()) await Bun.sleep(50);
    for (; options.more(cases); cases++) {
      const seed = options.firstSeed + cases;
      const given = generateCase(seed, { size: 3 + (seed % 3), nodes: 2, policies: 10, outside, protocols });
      const found = await runCase(cluster, given, seed % 2 === 0);
      addToCoverage(coverage, found.bound);
      packets += found.bound.packets.length;
      differences.push(...found.differences.map(each => `seed ${seed} ${each}`));
    }
  } finally {
    cluster.close();
  }
  return { cases, packets, differences, coverage, lacking: lackingIn(coverage) };
}

/** The closing table, and the differences. */
export function describeVerification({ cases, packets, differences, coverage }: Verification): string {
  return [
    printCoverage(coverage),
    '',
    `${cases} cases, ${packets} packets, ${differences.length} differences`,
    ...differences.slice(0, 20),
  ].join('\n');
}

/** With `moved`, its policies stand in other places first. */
async function runCase(
  cluster: TestCluster,
  given: Case,
  moved: boolean,
): Promise<{ bound: BoundCase; differences: string[] }> {
  const addresses: Record<string, readonly [string, string]> = {};
  for (const [i, { key, node }] of given.pods.entries()) {
    const [namespace = '', name = ''] = key.split('/');
    const own = [cluster.podAddress(node, i), cluster.podAddress6(node, i)] as const;
    addresses[key] = own;
    // A pod of an earlier case stays connected: the kernel takes some 40 ms to take an interface away.
    if (!cluster.pods.has(key)) cluster.addPod(key, node, own[0], workloadInterfaceName(namespace, name), own[1]);
  }
  const bound = given.bind(addresses);
  const resources = bound.resources as unknown as Resource[];
  if (moved) {
    cluster.apply(resources.map(inAnotherPlace));
    cluster.write();
  }
  cluster.apply(resources);
  cluster.write();
  const addressOf = (end: Packet['source'], family: 4 | 6 = 4) =>
    'pod' in end ? (addresses[end.pod]?.[family === 4 ? 0 : 1] ?? '') : end.ip;
  const expected = bound.packets.map(packet => bound.oracle.judge(packet).verdict);
  const evaluated = bound.packets.map(packet => decide(cluster, packet, addressOf));
  const passed = await send(cluster, given, bound.packets, expected, addressOf);

  const differences = bound.packets.flatMap((packet, i) => {
    const wanted = expected[i];
    // What conntrack calls invalid is dropped whatever the policies say.
    const kernel = isInvalid(packet) ? 'deny' : wanted;
    if (evaluated[i] === wanted && passed[i] === kernel) return [];
    const reason = JSON.stringify(bound.oracle.judge(packet).reason);
    return [
      `packet ${i} ${JSON.stringify(packet)}: kernel ${passed[i]}, evaluator ${evaluated[i]}, oracle ${wanted}: ${reason}`,
    ];
  });
  cluster.remove(resources);
  cluster.write();
  return { bound, differences };
}

/** A policy with an order stands where it would if they were turned round; anything else is as it was. */
function inAnotherPlace(resource: Resource): Resource {
  const spec: unknown = Reflect.get(resource, 'spec');
  const order: unknown = Reflect.get(Object(spec), 'order');
  if (typeof order !== 'number' || resource.kind === 'Tier') return resource;
  return { ...resource, spec: { ...Object(spec), order: -order } } as Resource;
}

type AddressOf = (end: Packet['source'], family?: 4 | 6) => string;

/** What the evaluator says by the rule programs: the source pod's of egress, then the destination pod's of ingress. */
function decide(cluster: TestCluster, packet: Packet, addressOf: AddressOf): Verdict {
  const { source, destination, ipVersion = 4, ...rest } = packet;
  const ends = { source: addr(addressOf(source, ipVersion)), destination: addr(addressOf(destination, ipVersion)) };
  for (const [end, direction] of [
    [source, 'egress'],
    [destination, 'ingress'],
  ] as const) {
    if (!('pod' in end)) continue;
    const { node: name } = cluster.pod(end.pod);
    const node = cluster.nodes.find(each => each.name === name);
    const endpoint = [...(node?.state.endpoints.values() ?? [])].find(each => each.name === interfaceOf(end.pod));
    if (node === undefined || endpoint === undefined) throw new Error(`Cannot find the endpoint of ${end.pod}`);
    const { verdict } = evaluate(endpoint[direction], direction, worldOf(node.state), {
      family: ipVersion,
      ...ends,
      ...rest,
    });
    if (verdict === 'deny') return 'deny';
  }
  return 'allow';
}

function interfaceOf(key: string): string {
  const [namespace = '', name = ''] = key.split('/');
  return workloadInterfaceName(namespace, name);
}

function isInvalid({ protocol, icmpType = 0 }: Packet): boolean {
  return !(openingIcmpTypes[protocol] ?? [icmpType]).includes(icmpType);
}

/** Sends every packet as the first of its connection, and sees which arrive. */
async function send(
  cluster: TestCluster,
  given: Case,
  packets: readonly Packet[],
  expected: readonly Verdict[],
  addressOf: AddressOf,
): Promise<Verdict[]> {
  const machines = new Map([
    ...given.pods.map(({ key }) => [key, cluster.pod(key).namespace] as const),
    ...outside.map(address => [address, cluster.machine('external')] as const),
  ]);
  const senders = new Map([...machines].map(([key, namespace]) => [key, new RawSender(namespace)] as const));
  const receivers = new Map(
    [...machines].map(([key, namespace]) => [key, new RawReceiver(namespace, seenProtocols)] as const),
  );
  const nameOf = (end: Packet['source']) => ('pod' in end ? end.pod : end.ip);
  const arrived = new Set<string>();
  const take = () => {
    for (const [key, receiver] of receivers) for (const tag of receiver.take()) arrived.add(`${key} ${tag}`);
  };
  for (const [tag, { source, destination, ipVersion = 4, ...rest }] of packets.entries()) {
    // A flow that an earlier packet opened would answer for the policy.
    for (const { kernel } of cluster.nodes) kernel.conntrack.flush();
    const ends = { source: addressOf(source, ipVersion), destination: addressOf(destination, ipVersion) };
    senders.get(nameOf(source))?.send({ ...rest, ...ends, tag });
  }
  // What is to arrive is waited for; what is not gets the same time and a little more.
  const deadline = performance.now() + 1_000;
  const missing = () =>
    packets.some(
      (p, tag) => expected[tag] === 'allow' && !isInvalid(p) && !arrived.has(`${nameOf(p.destination)} ${tag}`),
    );
  do {
    take();
    await new Promise(resolve => setTimeout(resolve, 2));
  } while (missing() && performance.now() < deadline);
  take();
  for (const closing of [...senders.values(), ...receivers.values()]) closing.close();
  return packets.map((packet, tag) => (arrived.has(`${nameOf(packet.destination)} ${tag}`) ? 'allow' : 'deny'));
}

/** As many packets must have met each thing for which both outcomes are possible, of either outcome. */
const ENOUGH = 20;

/** What a packet that meets it can only end in. */
const oneOutcome: Readonly<Record<string, 'allowed' | 'denied'>> = {
  'action Deny': 'denied',
  'action of the tier: Deny': 'denied',
};

function lackingIn({ criteria }: Coverage): string[] {
  return expectedRows.flatMap(row => {
    const tally = criteria.get(row) ?? { allowed: 0, denied: 0 };
    const outcomes = (['allowed', 'denied'] as const).filter(each => (oneOutcome[row] ?? each) === each);
    const low = outcomes.filter(outcome => tally[outcome] < ENOUGH);
    return low.map(outcome => `${row}: ${tally[outcome]} packets ${outcome}, wanted ${ENOUGH}`);
  });
}

/** Every action, direction, family, kind of policy, and kind of match with its negation. */
const expectedRows: readonly string[] = [
  ...['Allow', 'Deny', 'Pass', 'Log'].map(action => `action ${action}`),
  ...['Deny', 'Pass'].map(action => `action of the tier: ${action}`),
  ...['Ingress', 'Egress'].map(direction => `direction ${direction}`),
  ...[4, 6].map(version => `family IPv${version}`),
  ...['NetworkPolicy', 'GlobalNetworkPolicy', 'KubernetesNetworkPolicy', 'KubernetesClusterNetworkPolicy'].map(
    kind => `policy ${kind}`,
  ),
  ...['ipVersion', 'protocol', 'notProtocol', 'icmp', 'notICMP'],
  ...['source', 'destination'].flatMap(side =>
    [
      ...['nets', 'notNets', 'selector', 'notSelector', 'namespaceSelector', 'serviceAccounts', 'services'],
      ...['ports (number)', 'ports (range)', 'notPorts (number)', 'notPorts (range)'],
      ...(side === 'destination' ? ['ports (name)', 'notPorts (name)'] : []),
    ].map(match => `${side}.${match}`),
  ),
  ...['podSelector', 'namespaceSelector', 'ipBlock', 'ipBlock with except'].map(shape => `peer (${shape})`),
  ...['number', 'range', 'name', 'protocol only'].map(shape => `port (${shape})`),
  ...['namespaces', 'pods', 'networks'].map(shape => `cluster peer (${shape})`),
  ...['number', 'range', 'name'].map(shape => `cluster port (${shape})`),
];
