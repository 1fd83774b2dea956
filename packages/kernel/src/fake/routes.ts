import { addrEquals, cidrContains, cidrEquals, isMasked } from '@calico/ip';
import type { Nexthop, Route, RouteKey } from '../kernel.ts';
import type { FakeNet } from './net.ts';
import { refuse } from './refuse.ts';

const MAIN = 254;

/** The route as the kernel keeps it, or KernelError with the errno that Linux answers. */
export function acceptedRoute(net: FakeNet, route: Route, op: string): Route {
  const six = route.destination.addr.family === 6;
  if (!isMasked(route.destination)) refuse(op, 'EINVAL', 'Invalid prefix for given prefix length');
  if (route.source !== undefined) {
    const { source } = route;
    if (!net.addresses.some(a => addrEquals(a.address.addr, source))) refuse(op, 'EINVAL', 'Invalid prefsrc address');
  }
  const { link, ...rest } = route;
  const accepted: Route = {
    ...rest,
    ...(link !== undefined && !isReject(route) && { link }),
    ...(route.type === 'unicast' && route.nexthops === undefined && checkedHop(net, route, op)),
    ...(route.nexthops && {
      nexthops: route.nexthops.map(hop => ({ weight: 1, ...hop, ...checkedHop(net, { ...route, ...hop }, op) })),
    }),
  };
  return six ? { ...accepted, scope: 'universe', metric: route.metric || 1024 } : accepted;
}

function isReject(route: Route): boolean {
  return (
    route.type === 'blackhole' || route.type === 'unreachable' || route.type === 'prohibit' || route.type === 'throw'
  );
}

/** The hop's link, found through the gateway where it is not given. */
function checkedHop(net: FakeNet, hop: Route, op: string): { link: number } {
  const { gateway } = hop;
  const link = hop.link ?? (gateway && linkTowards(net, hop));
  if (link === undefined) refuse(op, gateway === undefined ? 'ENODEV' : unreachable(hop));
  const device = net.links.get(link);
  if (device === undefined) refuse(op, 'ENODEV');
  if (!device.up) refuse(op, 'ENETDOWN', 'Device for nexthop is not up');
  if (gateway !== undefined && !hop.onlink && linkTowards(net, hop) !== link) {
    refuse(op, unreachable(hop), 'Nexthop has invalid gateway');
  }
  return { link };
}

function unreachable(hop: Route): string {
  return hop.destination.addr.family === 4 ? 'ENETUNREACH' : 'EHOSTUNREACH';
}

/** The link that the gateway is directly reached through: of the longest route to it without a gateway of its own. */
function linkTowards(net: FakeNet, hop: Route): number | undefined {
  const { gateway } = hop;
  if (gateway === undefined) return undefined;
  let best: Route | undefined;
  for (const route of net.routes) {
    if (route.type !== 'unicast' || (route.table !== MAIN && route.table !== hop.table)) continue;
    if (route.destination.addr.family !== gateway.family || !cidrContains(route.destination, gateway)) continue;
    if (hop.link !== undefined && route.link !== hop.link) continue;
    if (best === undefined || route.destination.length > best.destination.length) best = route;
  }
  return best?.gateway === undefined ? best?.link : undefined;
}

/** Whether the two have the same identity: a replace puts one in the other's place. */
export function sameRoute(a: Route, b: Route): boolean {
  return a.table === b.table && (a.metric ?? 0) === (b.metric ?? 0) && cidrEquals(a.destination, b.destination);
}

/** Whether a deletion by `key` means this route: fields that the key lacks match any value. */
export function matchesKey(route: Route, key: RouteKey): boolean {
  return (
    route.table === key.table &&
    cidrEquals(route.destination, key.destination) &&
    (!key.metric || route.metric === key.metric) &&
    (key.link === undefined || isReject(route) || hops(route).some(hop => hop.link === key.link)) &&
    (key.protocol === undefined || route.protocol === key.protocol) &&
    (key.type === undefined || route.type === key.type) &&
    (key.gateway === undefined ||
      hops(route).some(
        hop => hop.gateway !== undefined && key.gateway !== undefined && addrEquals(hop.gateway, key.gateway),
      ))
  );
}

function hops(route: Route): readonly Partial<Nexthop>[] {
  return route.nexthops ?? [route];
}
