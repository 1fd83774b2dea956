import type { Addr, Cidr, Family } from '@calico/ip';
import type { Labels } from '@calico/selector';
import type { Owner } from './owner.ts';
import type { OwnerAttributes } from './owner-attributes.ts';
import type { IntendedUse } from './pools.ts';
import type { TunnelKind } from './tunnel.ts';

/** Addresses wanted for one owner. */
export interface AutoAssignRequest {
  readonly node: string;
  /** Read from the Node when absent and some pool asks. */
  readonly nodeLabels?: Labels;
  /** Whose the addresses are: `<network>.<container>` for pods. */
  readonly handle: string;
  /** What the block says of them: pod, namespace, node, timestamp … */
  readonly attributes: OwnerAttributes;
  /** How many. */
  readonly ipv4: number;
  readonly ipv6: number;
  /** The pools to take them from, by name or CIDR (host bits do not matter), whatever their selectors say. */
  readonly pools4?: readonly string[];
  readonly pools6?: readonly string[];
  /** For pools that select namespaces. */
  readonly namespace?: { readonly name: string; readonly labels: Labels };
  readonly intendedUse: IntendedUse;
  /** The most blocks the node may have; 0 or absent: as configured. */
  readonly maxBlocks?: number;
  /**
   * The most addresses of a family that the handle may have; 0 or absent: any number. A handle that has them already
   * gets these again: so a virtual machine keeps its address in the next pod.
   */
  readonly maxPerHandle?: number;
  /**
   * The handle should be new, which spares the caller a look whether it has addresses: rejects with HandleExists when there
   * is one, or may be after an answer that was lost.
   */
  readonly newHandle?: boolean;
}

/** A block to be had before addresses are asked for. */
export interface EnsureBlockRequest {
  readonly node: string;
  /** Read from the Node when absent and some pool asks. */
  readonly nodeLabels?: Labels;
  readonly families: readonly Family[];
  /** As for addresses. */
  readonly pools4?: readonly string[];
  readonly pools6?: readonly string[];
  readonly maxBlocks?: number;
}

/** One address wanted for one owner. */
export interface AssignIpRequest {
  readonly address: Addr;
  readonly handle: string;
  readonly attributes: OwnerAttributes;
  readonly node: string;
  /** Checked against the pool when given. */
  readonly intendedUse?: IntendedUse;
  /** It is no error when the handle has the address already. */
  readonly reuse?: boolean;
  /** The most addresses of the family that the handle may have; 0 or absent: any number. */
  readonly maxPerHandle?: number;
}

/** Which blocks a node gives up. */
export interface ReleaseAffinityRequest {
  readonly node: string;
  /** What the node is; `host` when absent. */
  readonly type?: Owner['type'];
  /** One block, or all within a CIDR; all when absent. */
  readonly cidr?: Cidr;
  readonly requireEmpty: boolean;
  /** Only a block that was not written since it had this sequence number. */
  readonly sequenceNumber?: bigint;
}

/** Which blocks of a CIDR a node got, and which it did not as others have them. */
export interface ClaimedAffinities {
  readonly claimed: Cidr[];
  readonly failed: Cidr[];
}

/** The tunnel of a node. */
export interface TunnelRequest {
  readonly node: string;
  readonly kind: TunnelKind;
  /** Read from the Node when absent and some pool asks. */
  readonly nodeLabels?: Labels;
  /**
   * What the Node's object says the address is. One that it does not say is taken over by a write: the address may be one of an earlier
   * Node of the name, which a collector is about to release.
   */
  readonly noted?: string | undefined;
}

/** Whose an address is. */
export interface Lookup {
  readonly handle: string | undefined;
  readonly attributes: OwnerAttributes;
  /** Of the other owner, during a live migration. */
  readonly alternateAttributes: OwnerAttributes | undefined;
  readonly sequenceNumber: bigint | undefined;
  readonly block: Cidr;
}

/** Addresses given out, as /32 and /128. */
export interface AutoAssignResult {
  readonly ipv4: Cidr[];
  readonly ipv6: Cidr[];
  /** Why there are fewer than asked for; empty when there are not. */
  readonly notes: string[];
}
