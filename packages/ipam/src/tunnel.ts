import type { Family } from '@calico/ip';
import type { Labels } from '@calico/selector';
import { allowsUse, type Pool, selectsNode } from './pools.ts';

/** The devices of a node that need an address of their own, as in the names of their handles. */
export type TunnelKind = 'wireguard' | 'wireguard-v6' | 'ipip' | 'vxlan' | 'vxlan-v6';

interface Tunnel {
  readonly family: Family;
  /** The attribute `type` of its address. */
  readonly type: string;
  readonly wants: (pool: Pool) => boolean;
}

const vxlan = (pool: Pool) => (pool.spec.vxlanMode ?? 'Never') !== 'Never';
const ipip = (pool: Pool) => (pool.spec.ipipMode ?? 'Never') !== 'Never';
const any = () => true;

const TUNNELS: Readonly<Record<TunnelKind, Tunnel>> = {
  wireguard: { family: 4, type: 'wireguardTunnelAddress', wants: any },
  'wireguard-v6': { family: 6, type: 'wireguardV6TunnelAddress', wants: any },
  ipip: { family: 4, type: 'ipipTunnelAddress', wants: ipip },
  vxlan: { family: 4, type: 'vxlanTunnelAddress', wants: vxlan },
  'vxlan-v6': { family: 6, type: 'vxlanV6TunnelAddress', wants: vxlan },
};

/** All of them, in the order in which nodes ask for their addresses. */
export const TUNNEL_KINDS = Object.keys(TUNNELS) as readonly TunnelKind[];

/** What is asked of IPAM for a tunnel's address. */
export interface TunnelPlan {
  readonly family: Family;
  readonly handle: string;
  readonly attributes: { readonly node: string; readonly type: string };
}

/** Handle and attributes of a node's tunnel address. */
export function tunnelPlan(kind: TunnelKind, node: string): TunnelPlan {
  const { family, type } = TUNNELS[kind];
  return { family, handle: `${kind}-tunnel-addr-${node}`, attributes: { node, type } };
}

/** The pools that a tunnel's address may come from: enabled, for this node, and with traffic for such a tunnel. */
export function tunnelPools(pools: readonly Pool[], kind: TunnelKind, nodeLabels: Labels): Pool[] {
  const { family, wants } = TUNNELS[kind];
  return pools.filter(
    pool =>
      pool.enabled &&
      pool.cidr.addr.family === family &&
      allowsUse(pool, 'Tunnel') &&
      selectsNode(pool, nodeLabels) &&
      wants(pool),
  );
}
