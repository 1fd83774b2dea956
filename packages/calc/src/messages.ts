import type { EndpointKey } from '@calico/api';
import type { DirectionProgram, PolicyId, PolicyProgram, ProfileProgram, SetId } from '@calico/policy';

/** Name of a local endpoint: `<namespace>/<name of the WorkloadEndpoint>`. */
export type EndpointId = string;

/**
 * `net`: members are CIDRs as text, always with their length (`10.0.0.1/32`, `fd00::/64`), masked; both families may be
 * in one set. Members may cover one another. `ipPort`: members are `10.0.0.1,tcp:80`, with `tcp`, `udp` or `sctp`.
 */
export type SetType = 'net' | 'ipPort';

/** An address that leads to a workload besides its own. Both are CIDRs as text of one family, always /32 or /128. */
export interface FloatingIp {
  readonly external: string;
  /** One of the workload's own addresses. */
  readonly internal: string;
}

/** A workload on this node with the policy that holds for it. */
export interface LocalEndpoint {
  /** Name of the host's end of the interface. */
  readonly name: string;
  readonly orchestrator: string;
  readonly namespace: string;
  readonly workload: string;
  /** Always there in what the calculation tells. */
  readonly key?: EndpointKey;
  readonly mac?: string;
  /** CIDRs as text, always /32. */
  readonly ipv4: readonly string[];
  /** CIDRs as text, always /128. */
  readonly ipv6: readonly string[];
  readonly active: boolean;
  readonly ingress: DirectionProgram;
  readonly egress: DirectionProgram;
  /** CIDRs besides the endpoint's own addresses that it may send from. */
  readonly allowSpoofedSources: readonly string[];
  /** Each external address once. Who gets one that several ask for is not said here. */
  readonly floatingIps: readonly FloatingIp[];
}

export type RouteType =
  | 'localWorkload'
  | 'remoteWorkload'
  | 'localHost'
  | 'remoteHost'
  | 'localTunnel'
  | 'remoteTunnel'
  | 'pool';

/** How packets to addresses of a pool travel between nodes; `none` is outside of every pool. */
export type PoolType = 'none' | 'vxlan' | 'ipip' | 'noencap';

/** Where the addresses of one CIDR are. The most exact CIDR counts. */
export interface RouteInfo {
  readonly cidr: string;
  readonly type: RouteType;
  readonly poolType: PoolType;
  /** The node that has the addresses; absent for a pool's own CIDR. */
  readonly node?: string;
  /** That node's address in the family of `cidr`, without length; absent while the node is unknown. */
  readonly nodeIp?: string;
  /** The pool is of mode CrossSubnet and the other node's address lies in this node's subnet: send unencapsulated. */
  readonly sameSubnet: boolean;
  readonly natOutgoing: boolean;
  /** An address of a block that belongs to one node, used on another. */
  readonly borrowed: boolean;
  /** The CIDR is an IPAM block (a blackhole route is due where it is local). */
  readonly block: boolean;
}

/** A node's end of the VXLAN overlay. A family is present when both its tunnel and its parent address are known. */
export interface Vtep {
  readonly node: string;
  readonly mac?: string;
  readonly ipv4?: string;
  readonly parentIpv4?: string;
  readonly macV6?: string;
  readonly ipv6?: string;
  readonly parentIpv6?: string;
}

export interface PoolInfo {
  readonly cidr: string;
  readonly natOutgoing: boolean;
  readonly vxlanMode: 'Always' | 'CrossSubnet' | 'Never';
  readonly ipipMode: 'Always' | 'CrossSubnet' | 'Never';
  readonly allowedUses: readonly string[];
}

/** A node's addresses without length; the subnets are masked CIDRs, present when the node's address has a length. */
export interface HostInfo {
  readonly name: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly subnet4?: string;
  readonly subnet6?: string;
}

/** What the calculation tells the dataplane. Of each object only the newest message counts. */
export type Message =
  | { readonly kind: 'ipSetUpdate'; readonly id: SetId; readonly type: SetType; readonly members: readonly string[] }
  | {
      readonly kind: 'ipSetDelta';
      readonly id: SetId;
      readonly added: readonly string[];
      readonly removed: readonly string[];
    }
  | { readonly kind: 'ipSetRemove'; readonly id: SetId }
  | { readonly kind: 'policyUpdate'; readonly policy: PolicyProgram }
  | { readonly kind: 'policyRemove'; readonly id: PolicyId }
  | { readonly kind: 'profileUpdate'; readonly profile: ProfileProgram }
  | { readonly kind: 'profileRemove'; readonly id: string }
  | { readonly kind: 'endpointUpdate'; readonly id: EndpointId; readonly endpoint: LocalEndpoint }
  | { readonly kind: 'endpointRemove'; readonly id: EndpointId }
  | { readonly kind: 'routeUpdate'; readonly route: RouteInfo }
  | { readonly kind: 'routeRemove'; readonly cidr: string }
  | { readonly kind: 'vtepUpdate'; readonly vtep: Vtep }
  | { readonly kind: 'vtepRemove'; readonly node: string }
  | { readonly kind: 'poolUpdate'; readonly pool: PoolInfo }
  | { readonly kind: 'poolRemove'; readonly cidr: string }
  | { readonly kind: 'hostUpdate'; readonly host: HostInfo }
  | { readonly kind: 'hostRemove'; readonly name: string }
  /** The networks of services that nodes advertise, masked CIDRs as text: all of them. */
  | { readonly kind: 'serviceNets'; readonly nets: readonly string[] }
  | { readonly kind: 'configUpdate'; readonly config: Readonly<Record<string, string>> }
  | { readonly kind: 'inSync' };
