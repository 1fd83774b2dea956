import type { IPAMBlock } from '@calico/api';
import { type Addr, printAddr } from '@calico/ip';
import { allocationsOf, WINDOWS_RESERVED_HANDLE } from '@calico/ipam';

/** Who an address belongs to, as far as its attributes say. */
export type AddressOwner =
  | { readonly kind: 'pod'; readonly namespace: string; readonly name: string }
  /** A virtual machine: its address outlives the pods that it runs in. */
  | { readonly kind: 'vm'; readonly namespace: string; readonly name: string }
  /** A tunnel of the node itself. */
  | { readonly kind: 'tunnel' };

/** An address in use, as its block has it. */
export interface Allocation {
  readonly address: Addr;
  /** The name of the IPAMBlock. */
  readonly block: string;
  readonly handle: string;
  readonly sequenceNumber: bigint | undefined;
  /** Calico's name of the node that it is used on. */
  readonly node: string;
  /** Several during a live migration; none when the attributes name nobody that can be looked up. */
  readonly owners: readonly AddressOwner[];
}

/** The same for the same assignment to the same owners: an address given out again has another sequence number. */
export function allocationId({ address, handle, sequenceNumber, node, owners }: Allocation): string {
  return JSON.stringify([printAddr(address), String(sequenceNumber), handle, node, owners]);
}

/** How many addresses of a block each node uses; `undefined` is for those that name no node. */
export type UseByNode = ReadonlyMap<string | undefined, number>;

/** What the collector keeps of a block. */
export interface BlockContent {
  readonly allocations: readonly Allocation[];
  readonly inUse: UseByNode;
  /** When the first of the addresses that cool was released: ms since 1970. */
  readonly coolingSince: number | undefined;
}

const TUNNEL_TYPES = new Set([
  'ipipTunnelAddress',
  'vxlanTunnelAddress',
  'vxlanV6TunnelAddress',
  'wireguardTunnelAddress',
  'wireguardV6TunnelAddress',
]);

/** Reads a block. Addresses without handle or node, and those kept back for Windows, are nobody's to collect. */
export function blockContent(block: IPAMBlock): BlockContent {
  const allocations: Allocation[] = [];
  const inUse = new Map<string | undefined, number>();
  let coolingSince: number | undefined;
  for (const { address, state } of allocationsOf(block)) {
    if (state.state === 'cooling') {
      const since = Date.parse(state.releasedAt);
      coolingSince = Math.min(coolingSince ?? Number.POSITIVE_INFINITY, Number.isNaN(since) ? 0 : since);
      continue;
    }
    const { handle, attributes, alternateAttributes, sequenceNumber } = state;
    const { node } = attributes;
    inUse.set(node, (inUse.get(node) ?? 0) + 1);
    if (!handle || !node || handle === WINDOWS_RESERVED_HANDLE) continue;
    const owners = [...ownersOf(attributes), ...ownersOf(alternateAttributes ?? {})];
    allocations.push({ address, block: block.metadata.name, handle, sequenceNumber, node, owners });
  }
  return { allocations, inUse, coolingSince };
}

function ownersOf(attributes: Readonly<Record<string, string>>): AddressOwner[] {
  const { pod, namespace, type = '', 'vmi-name': vm } = attributes;
  const owners: AddressOwner[] = [];
  if (pod && namespace) owners.push({ kind: 'pod', namespace, name: pod });
  if (vm && namespace) owners.push({ kind: 'vm', namespace, name: vm });
  if (TUNNEL_TYPES.has(type)) owners.push({ kind: 'tunnel' });
  return owners;
}
