import { type Oracle, oracleOf } from '../oracle/oracle.ts';
import type { Packet } from '../oracle/packet.ts';
import type { RawResource } from '../oracle/resources.ts';
import { addressIn } from './block.ts';
import { Dice } from './dice.ts';
import { makePackets } from './packets.ts';
import { makePolicies } from './policies.ts';
import { type CasePod, makeWorld } from './world.ts';

export interface CaseOptions {
  /** 1 (two namespaces, four pods) to 5 (four namespaces, twelve pods); by default it goes round with the seed. */
  readonly size?: number;
  /** How many nodes the pods are spread over; 3. */
  readonly nodes?: number;
  /** The block that pod addresses come from; 10.244.0.0/16. */
  readonly pool?: string;
  /** Addresses of no pod that packets may come from and go to; the documentation's addresses. None: pods only. */
  readonly outside?: readonly string[];
  /** How many packets; 40. */
  readonly packets?: number;
  /** The protocols packets may have; TCP, UDP, SCTP, ICMP and one without ports (OSPF, 89). */
  readonly protocols?: readonly number[];
}

/** A cluster before its pods have addresses. */
export interface Case {
  readonly seed: number;
  readonly size: number;
  readonly pods: readonly CasePod[];
  /** Everything that needs no addresses: Namespaces, ServiceAccounts, Tiers, Pods without status. */
  readonly resources: readonly RawResource[];
  /** The rest, once every pod (`namespace/name`) has an address. The same addresses give the same answer. */
  bind(addresses: Readonly<Record<string, string>>): BoundCase;
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
  const { size = 1 + (seed % 5), nodes = 3, pool = '10.244.0.0/16', packets = 40 } = options;
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
      const of = (pod: CasePod): string => {
        const address = addresses[pod.key];
        if (address === undefined) throw new Error(`Cannot bind case ${seed}: pod ${pod.key} has no address`);
        return address;
      };
      const policies = makePolicies(dice, size, { world, inside: world.pods.map(of), outside, pool });
      const pods = world.pods.map(pod => ({ ...pod.resource, status: { podIP: of(pod), podIPs: [{ ip: of(pod) }] } }));
      const resources = [...withoutPods, ...pods, ...policies];
      const oracle = oracleOf(resources);
      return {
        resources,
        policies,
        packets: makePackets(dice, packets, world, policies, outside, protocols, oracle),
        oracle,
      };
    },
  };
}

/** Addresses for a case's pods where no one else gives them: each node's pods in a block of 64 of the pool. */
export function assignAddresses({ pods }: Case, pool = '10.244.0.0/16'): Record<string, string> {
  const nodes = [...new Set(pods.map(({ node }) => node))].sort();
  return Object.fromEntries(
    pods.map((pod, index) => [pod.key, addressIn(pool, 64 * (1 + nodes.indexOf(pod.node)) + 1 + index)]),
  );
}

/** RFC 5737; two of them in one /24, so that blocks can tell them apart or not. */
const documentationAddresses: readonly string[] = ['192.0.2.10', '192.0.2.75', '198.51.100.20', '203.0.113.130'];
