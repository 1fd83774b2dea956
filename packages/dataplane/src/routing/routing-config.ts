/** What routing depends on: Felix parameters by Calico's names. */
export interface RoutingConfig {
  readonly nodeName: string;
  /** Start of the names of workload interfaces: InterfacePrefix. */
  readonly interfacePrefix: string;
  /** VXLANVNI, VXLANPort, VXLANMTU (0: from the parent interface). */
  readonly vxlanVni: number;
  readonly vxlanPort: number;
  readonly vxlanMtu: number;
  /** Metric of every route we make: IPv4NormalRoutePriority, IPv6NormalRoutePriority. */
  readonly routePriority: number;
  /** Protocol number of routes to local workloads: DeviceRouteProtocol. */
  readonly deviceRouteProtocol: number;
  /** Whether we route pools without encapsulation between nodes ourselves, instead of BIRD: ProgramClusterRoutes. */
  readonly programNoEncapRoutes: boolean;
}

/** Marks routes that are ours. */
export const ourProtocol = 80;

/** The kernel's main routing table. linux/rtnetlink.h RT_TABLE_MAIN */
export const mainTable = 254;

/** Names of the overlay's devices. */
export const vxlanDevice = { 4: 'vxlan.calico', 6: 'vxlan-v6.calico' } as const;

/** Bytes that VXLAN adds to a packet: outer IP, UDP and VXLAN headers and the inner Ethernet header. RFC 7348 §5 */
export const vxlanOverhead = { 4: 50, 6: 70 } as const;
