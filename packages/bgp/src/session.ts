import type { Family } from '@calico/ip';

/** Where a session comes from: the mesh of nodes, a BGPPeer of all nodes, one of some nodes. */
export type SessionKind = 'mesh' | 'global' | 'node';

/** One BGP session of this node, all decided: what the renderer prints and what status reports are named after. */
export interface Session {
  readonly kind: SessionKind;
  /** BIRD's name of the protocol: `Mesh_192_0_2_12`, `Global_…`, `Node_…_port_1790`. */
  readonly name: string;
  /** Of the neighbour's address and of the routes that are exchanged. */
  readonly family: Family;
  readonly neighbour: {
    readonly address: string;
    /** 179 if absent. */
    readonly port?: number;
    readonly as: number;
  };
  readonly local: {
    readonly as: number;
    /** The source of the connection; the kernel chooses if absent. */
    readonly address?: string;
  };
  /** The neighbour dials, we wait. */
  readonly passive: boolean;
  /** Our cluster id: we reflect routes to the neighbour. */
  readonly clusterId?: string;
  /** `auto` is what BGP says: own address to external peers, unchanged to internal ones. */
  readonly nextHop: 'auto' | 'self' | 'keep';
  /** Hops to the neighbour, checked by TTL (RFC 5082). */
  readonly ttlSecurity?: number;
  /** Seconds that the neighbour keeps our routes while we restart. */
  readonly maxRestartTime?: number;
  /** Seconds between signs of life. */
  readonly keepaliveTime?: number;
  readonly password?: string;
  /** How often our own AS may stand in a path. */
  readonly allowedLocalAs?: number;
  /** Gateway of a host route to the neighbour. */
  readonly reachableBy?: string;
}

const PREFIXES: Readonly<Record<SessionKind, string>> = { mesh: 'Mesh', global: 'Global', node: 'Node' };

/** BIRD's name for a session: kind and address, and the port where a BGPPeer names one. */
export function sessionName(kind: SessionKind, address: string, explicitPort: number | undefined): string {
  const port = explicitPort === undefined ? '' : `_port_${explicitPort}`;
  return `${PREFIXES[kind]}_${address.replace(/[.:]/g, '_')}${port}`;
}

/** Whether both ends are of one AS. */
export function isInternal(session: Session): boolean {
  return session.local.as === session.neighbour.as;
}
