import type { Resource } from '../../resource.ts';

/** What Calico knows of a node. Derived from the Kubernetes Node and its annotations; never stored as such. */
export interface CalicoNodeSpec {
  bgp?: {
    asNumber?: number;
    /** Address with the length of its network, `192.0.2.11/24`. */
    ipv4Address?: string;
    ipv6Address?: string;
    ipv4IPIPTunnelAddr?: string;
    /** Written as an IPv4 address. */
    routeReflectorClusterID?: string;
  };
  ipv4VXLANTunnelAddr?: string;
  ipv6VXLANTunnelAddr?: string;
  vxlanTunnelMACAddr?: string;
  vxlanTunnelMACAddrV6?: string;
  orchRefs?: { nodeName?: string; orchestrator: string }[];
  wireguard?: { interfaceIPv4Address?: string; interfaceIPv6Address?: string };
  addresses?: { address: string; type?: 'CalicoNodeIP' | 'InternalIP' | 'ExternalIP' }[];
  interfaces?: { name: string; addresses: string[] }[];
}

/** What a node says of itself. */
export interface CalicoNodeObserved {
  wireguardPublicKey?: string;
  wireguardPublicKeyV6?: string;
  podCIDRs?: string[];
}

export type CalicoNode = Resource<CalicoNodeSpec, CalicoNodeObserved>;
