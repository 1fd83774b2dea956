import type { CalicoNode } from '@calico/api';
import { addrEquals, type Family, parseCidr, printAddr } from '@calico/ip';
import type { NodeAddresses } from './choose-addresses.ts';

/** Another node that says it has an address of ours. */
export interface AddressConflict {
  readonly family: Family;
  readonly address: string;
  /** The other node. */
  readonly node: string;
}

/** The nodes that have an address which node `name` is to have, whatever the lengths; in the order of `nodes`. */
export function addressConflicts(
  name: string,
  { ipv4, ipv6 }: Pick<NodeAddresses, 'ipv4' | 'ipv6'>,
  nodes: readonly CalicoNode[],
): AddressConflict[] {
  const conflicts: AddressConflict[] = [];
  const compare = (family: Family, ours: string | undefined, node: CalicoNode, theirs: string | undefined) => {
    const [a, b] = [parseCidr(ours ?? '')?.addr, parseCidr(theirs ?? '')?.addr];
    if (a === undefined || b === undefined || !addrEquals(a, b)) return;
    conflicts.push({ family, address: printAddr(a), node: node.metadata.name });
  };
  for (const node of nodes) {
    if (node.metadata.name === name) continue;
    compare(4, ipv4, node, node.spec.bgp?.ipv4Address);
    compare(6, ipv6, node, node.spec.bgp?.ipv6Address);
  }
  return conflicts;
}
