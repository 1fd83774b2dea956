import type { Family } from '@calico/ip';

/** What routing depends on: Felix parameters by Calico's names. */
export interface RoutingConfig {
  readonly nodeName: string;
  /** Starts of the names of workload interfaces: InterfacePrefix. */
  readonly interfacePrefixes: readonly string[];
  /** VXLANVNI, VXLANPort, VXLANMTU, VXLANMTUV6 (0: from the parent interface). */
  readonly vxlanVni: number;
  readonly vxlanPort: number;
  readonly vxlanMtu: number;
  readonly vxlanMtuV6: number;
  /** Metric of every route we make: IPv4NormalRoutePriority, IPv6NormalRoutePriority. */
  readonly routePriority: number;
  readonly routePriorityV6: number;
  /** Source address of packets from this node to its workloads: DeviceRouteSourceAddress, DeviceRouteSourceAddressIPv6. */
  readonly deviceRouteSource: string | undefined;
  readonly deviceRouteSourceV6: string | undefined;
  /** Whether routes of others to workload interfaces are removed: RemoveExternalRoutes. */
  readonly removeExternalRoutes: boolean;
  /** Whether routes are left alone altogether: RouteSyncDisabled. */
  readonly routeSyncDisabled: boolean;
  /** Protocol number of routes to local workloads: DeviceRouteProtocol. */
  readonly deviceRouteProtocol: number;
  /** Whether we route pools without encapsulation between nodes ourselves, instead of BIRD: ProgramClusterRoutes. */
  readonly programNoEncapRoutes: boolean;
  /** Whether floating IPs get routes to their workloads: FloatingIPs. */
  readonly floatingIps: boolean;
}

/** Metric of the routes that we make in a family. */
export function metricOf(family: Family, { routePriority, routePriorityV6 }: RoutingConfig): number {
  return family === 4 ? routePriority : routePriorityV6;
}

/** Marks routes that are ours. */
export const ourProtocol = 80;

/** The kernel's main routing table. linux/rtnetlink.h RT_TABLE_MAIN */
export const mainTable = 254;

/** Names of the overlay's devices. */
export const vxlanDevice = { 4: 'vxlan.calico', 6: 'vxlan-v6.calico' } as const;

/** Bytes that VXLAN adds to a packet: outer IP, UDP and VXLAN headers and the inner Ethernet header. RFC 7348 §5 */
export const vxlanOverhead = { 4: 50, 6: 70 } as const;
