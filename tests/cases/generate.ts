import { familyOf } from '../oracle/address.ts';
import { type Oracle, oracleOf } from '../oracle/oracle.ts';
import type { Packet } from '../oracle/packet.ts';
import type { RawResource } from '../oracle/resources.ts';
import { addressIn } from './block.ts';
import { Dice } from './dice.ts';
import { makePackets } from './packets.ts';
import { makePolicies } from './policies.ts';
import { type CasePod, endpointSlices, makeWorld } from './world.ts';

export interface CaseOptions {
  /** 1 (two namespaces, four pods) to 5 (four namespaces, twelve pods); by default it goes round with the seed. */
  readonly size?: number;
  /** How many nodes the pods are spread over; 3. */
  readonly nodes?: number;
  /** The blocks that pod addresses come from; 10.244.0.0/16 and fd00:10:244::/48. */
  readonly pool?: string;
  readonly pool6?: string;
  /** The fewest policies; as many as it happens. */
  readonly policies?: number;
  /** Addresses of no pod that packets may come from and go to; the documentation's addresses. None: pods only. */
  readonly outside?: readonly string[];
  /** How many packets; 40. */
  readonly packets?: number;
  /** The protocols packets may have; TCP, UDP, SCTP, ICMP (1, for IPv6 58) and one without ports (OSPF, 89). */
  readonly protocols?: readonly number[];
}

/** A cluster before its pods have addresses. */
export interface Case {
  readonly seed: number;
  readonly size: number;
  readonly pods: readonly CasePod[];
  /** Everything that needs no addresses: Namespaces, ServiceAccounts, Tiers, Pods without status. */
  readonly resources: readonly RawResource[];
  /** The rest, once every pod (`namespace/name`) has an address, or one of each family. The same addresses give the same answer. */
  bind(addresses: Readonly<Record<string, string | readonly string[]>>): BoundCase;
}

export interface BoundCase {
  /** All resources as a user and the nodes would have written them: those of the case, with pod addresses, and the policies. */
  readonly resources: readonly RawResource[];
  /** The policies and network sets alone, whose networks lie around the addresses. */
  readonly policies: readonly RawResource[];
  readonly packets: readonly Packet[];
  /** The oracle for `resources`. */
  readonly oracle: Oracle;
}

/** The case of a seed: the same seed and options give the same case. */
export function generateCase(seed: number, options: CaseOptions = {}): Case {
  const { size = 1 + (seed % 5), nodes = 3, packets = 40, policies: fewest = 0 } = options;
  const { pool = '10.244.0.0/16', pool6 = 'fd00:10:244::/48' } = options;
  const { outside = documentationAddresses, protocols = [6, 17, 132, 1, 89] } = options;
  const world = makeWorld(new Dice(seed), size, nodes);
  const withoutPods = world.resources;
  return {
    seed,
    size,
    pods: world.pods,
    resources: [...withoutPods, ...world.pods.map(({ resource }) => resource)],
    bind: addresses => {
      const dice = new Dice(seed ^ 0x5bd1e995);
      const of = (pod: CasePod): readonly string[] => {
        const own = addresses[pod.key];
        if (own === undefined) throw new Error(`Cannot bind case ${seed}: pod ${pod.key} has no address`);
        return typeof own === 'string' ? [own] : own;
      };
      const policies = makePolicies(
        dice,
        size,
        { world, inside: world.pods.flatMap(of), outside, pool, pool6 },
        fewest,
      );
      const pods = world.pods.map(pod => ({
        ...pod.resource,
        status: { podIP: of(pod)[0], podIPs: of(pod).map(ip => ({ ip })) },
      }));
      const resources = [...withoutPods, ...pods, ...endpointSlices(dice, world, of), ...policies];
      const families = ([4, 6] as const).filter(family =>
        world.pods.every(pod => of(pod).some(ip => familyOf(ip) === family)),
      );
      const oracle = oracleOf(resources);
      return {
        resources,
        policies,
        packets: makePackets(dice, packets, world, policies, outside, protocols, oracle, families),
        oracle,
      };
    },
  };
}

/** Addresses for a case's pods where no one else gives them, one of each pool: each node's pods in a block of 64 of it. */
export function assignAddresses({ pods }: Case, ...pools: string[]): Record<string, string[]> {
  const of = pools.length > 0 ? pools : ['10.244.0.0/16'];
  const nodes = [...new Set(pods.map(({ node }) => node))].sort();
  return Object.fromEntries(
    pods.map((pod, index) => [
      pod.key,
      of.map(pool => addressIn(pool, 64 * (1 + nodes.indexOf(pod.node)) + 1 + index)),
    ]),
  );
}

/** RFC 5737 and RFC 3849; two of each close together, so that blocks can tell them apart or not. */
const documentationAddresses: readonly string[] = [
  ...['192.0.2.10', '192.0.2.75', '198.51.100.20', '203.0.113.130'],
  ...['2001:db8::10', '2001:db8::75', '2001:db8:51::20'],
];
