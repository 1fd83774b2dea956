import type { RouteInfo, Vtep } from '@calico/calc';
import { type Cidr, cidr, type Family, parseAddr } from '@calico/ip';
import type { Route } from '@calico/kernel';
import { mainTable, metricOf, ourProtocol, type RoutingConfig } from './routing-config.ts';

/** What the plan of a route needs to know of this node and of the others. */
export interface RouteSurroundings {
  readonly config: RoutingConfig;
  /** Index of the VXLAN device of the family while it exists. */
  vxlanLink(family: Family): number | undefined;
  /** Index of the interface that holds this node's address of the family. */
  parentLink(family: Family): number | undefined;
  vtep(node: string): Vtep | undefined;
}

/**
 * The kernel route for one CIDR of the calculation; undefined where none is ours: BIRD's, or a part that is not known
 * yet. Routes to local workloads come from the endpoints, see `workloadRoutes`.
 */
export function planRoute(info: RouteInfo, around: RouteSurroundings): Route | undefined {
  const destination = cidr(info.cidr);
  const family = destination.addr.family;
  switch (info.type) {
    case 'localWorkload':
      return info.block && isOurs(info, around.config) && !isHost(destination)
        ? blackhole(destination, around)
        : undefined;
    case 'remoteWorkload':
    case 'remoteTunnel':
      if (!isOurs(info, around.config)) return undefined;
      if (info.sameSubnet || info.poolType === 'noencap') return throughNode(info, destination, family, around);
      return info.poolType === 'vxlan' ? throughVxlan(info, destination, family, around) : undefined;
    default:
      return undefined;
  }
}

/** The routes to addresses of a workload: each straight to its interface. */
export function workloadRoutes(addresses: readonly string[], link: number, config: RoutingConfig): Route[] {
  return addresses.map(text => {
    const destination = cidr(text);
    const { family } = destination.addr;
    const source = parseAddr((family === 4 ? config.deviceRouteSource : config.deviceRouteSourceV6) ?? '');
    return {
      destination,
      table: mainTable,
      protocol: config.deviceRouteProtocol,
      scope: family === 4 ? 'link' : 'universe',
      type: 'unicast',
      link,
      metric: metricOf(family, config),
      ...(source?.family === family ? { source } : {}),
    };
  });
}

/** VXLAN is always ours; without encapsulation it is BIRD's task unless the configuration says otherwise. */
function isOurs(info: RouteInfo, config: RoutingConfig): boolean {
  return info.poolType === 'vxlan' || (info.poolType === 'noencap' && config.programNoEncapRoutes);
}

function isHost(destination: Cidr): boolean {
  return destination.length === (destination.addr.family === 4 ? 32 : 128);
}

/** Packets to addresses of our own block that no workload has must not follow a default route and come back. */
function blackhole(destination: Cidr, { config }: RouteSurroundings): Route {
  const base = { destination, table: mainTable, protocol: ourProtocol } as const;
  const metric = metricOf(destination.addr.family, config);
  return { ...base, metric, scope: 'universe', type: 'blackhole' };
}

function throughNode(info: RouteInfo, destination: Cidr, family: Family, around: RouteSurroundings): Route | undefined {
  const link = around.parentLink(family);
  const gateway = info.nodeIp === undefined ? undefined : parseAddr(info.nodeIp);
  if (link === undefined || gateway === undefined) return undefined;
  return unicast(destination, ourProtocol, metricOf(family, around.config), { link, gateway, onlink: true });
}

function throughVxlan(
  info: RouteInfo,
  destination: Cidr,
  family: Family,
  around: RouteSurroundings,
): Route | undefined {
  const link = around.vxlanLink(family);
  const vtep = info.node === undefined ? undefined : around.vtep(info.node);
  const tunnel = parseAddr((family === 4 ? vtep?.ipv4 : vtep?.ipv6) ?? '');
  if (link === undefined || tunnel === undefined) return undefined;
  const { deviceRouteProtocol } = around.config;
  const metric = metricOf(family, around.config);
  if (isHost(destination) && destination.addr.value === tunnel.value) {
    const scope = family === 4 ? 'link' : 'universe';
    return {
      destination,
      table: mainTable,
      protocol: deviceRouteProtocol,
      scope,
      type: 'unicast',
      link,
      metric,
    };
  }
  return unicast(destination, deviceRouteProtocol, metric, { link, gateway: tunnel, onlink: true });
}

function unicast(
  destination: Cidr,
  protocol: number,
  metric: number,
  hop: Required<Pick<Route, 'link' | 'gateway' | 'onlink'>>,
): Route {
  return { destination, table: mainTable, protocol, scope: 'universe', type: 'unicast', metric, ...hop };
}
