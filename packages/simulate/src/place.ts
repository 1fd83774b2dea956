import type { Addr } from '@calico/ip';
import type { ClusterView, Endpoint } from './cluster-view.ts';

/** Where a packet starts or ends. */
export interface Place {
  readonly address: Addr;
  /** The pod that has it. */
  readonly endpoint?: Endpoint;
  /** The node that has it as its own. */
  readonly node?: string;
}

/** Whatever has this address. */
export function placeAt(view: ClusterView, address: Addr): Place {
  const endpoint = view.endpointAt(address);
  if (endpoint !== undefined) return { address, endpoint };
  const node = view.nodeAt(address);
  return node === undefined ? { address } : { address, node };
}
