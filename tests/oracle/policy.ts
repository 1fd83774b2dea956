import type { Thing } from './cluster.ts';
import type { Direction, WirePacket } from './packet.ts';

/** A policy of any kind, as the oracle sees it: whom it governs, and what it says about a packet. */
export interface Policy {
  readonly kind: 'NetworkPolicy' | 'GlobalNetworkPolicy' | 'KubernetesNetworkPolicy' | 'KubernetesClusterNetworkPolicy';
  readonly namespace: string | undefined;
  readonly name: string;
  readonly tier: string;
  /** Lower goes first; a policy without an order goes last. */
  readonly order: number;
  governs(pod: Thing, direction: Direction): boolean;
  /** The first rule that settles the packet, or undefined when the policy has no opinion. */
  decide(direction: Direction, packet: WirePacket, observe: Observe): Settled | undefined;
}

export interface Settled {
  readonly action: 'Allow' | 'Deny' | 'Pass';
  /** Position of the rule in the policy's list for the direction, from 0. */
  readonly rule: number;
  /** The criteria of the rule, by field name; all of them held. */
  readonly criteria: readonly string[];
}

/** One field of one rule and whether the packet satisfied it, or another thing that the judgement met: a direction, an action. */
export type Criterion = readonly [field: string, held: boolean];

/** Told of every criterion that was looked at; for statistics. */
export type Observe = (criterion: Criterion) => void;
