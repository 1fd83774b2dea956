import { printAddr, printCidr } from '@calico/ip';
import type { Address, FdbEntry, Link, Neighbour, Nexthop, Route } from './kernel.ts';

function words(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter(part => part !== undefined && part !== false).join(' ');
}

/** One line, such as `2 cali123 veth up running mtu 1450 mac ee:ee:ee:ee:ee:ee parent 3`. */
export function printLink(link: Link): string {
  const { vxlan } = link;
  return words(
    `${link.index} ${link.name}`,
    link.kind,
    link.up ? 'up' : 'down',
    link.running && 'running',
    `mtu ${link.mtu}`,
    link.mac && `mac ${link.mac}`,
    link.master !== undefined && `master ${link.master}`,
    link.parent !== undefined && `parent ${link.parent}`,
    link.alias && `alias ${link.alias}`,
    vxlan && `vni ${vxlan.vni} port ${vxlan.port}${vxlan.local ? ` local ${printAddr(vxlan.local)}` : ''}`,
  );
}

/** One line, such as `10.0.0.1/32 link 2 scope universe`. */
export function printAddress(a: Address): string {
  return words(printCidr(a.address), `link ${a.link} scope ${a.scope}`, a.noDad && 'nodad', a.tentative && 'tentative');
}

/** One line, such as `blackhole 10.65.0.0/26 table 254 protocol 80 scope universe`. */
export function printRoute(route: Route): string {
  return words(
    route.type !== 'unicast' && route.type,
    printCidr(route.destination),
    printHop(route),
    `table ${route.table} protocol ${route.protocol} scope ${route.scope}`,
    route.metric !== undefined && `metric ${route.metric}`,
    route.source && `source ${printAddr(route.source)}`,
    route.mtu !== undefined && `mtu ${route.mtu}`,
    ...(route.nexthops ?? []).map(hop => words('nexthop', printHop(hop), `weight ${hop.weight ?? 1}`)),
  );
}

function printHop(hop: Partial<Nexthop>): string | undefined {
  const text = words(
    hop.gateway && `via ${printAddr(hop.gateway)}`,
    hop.link !== undefined && `link ${hop.link}`,
    hop.onlink && 'onlink',
  );
  return text === '' ? undefined : text;
}

/** One line, such as `10.0.0.1 link 2 mac ee:ee:ee:ee:ee:ee permanent`. */
export function printNeighbour(n: Neighbour): string {
  return words(printAddr(n.address), `link ${n.link}`, n.mac && `mac ${n.mac}`, n.permanent && 'permanent');
}

/** One line, such as `66:00:00:00:00:01 remote 172.16.0.2 link 4`. */
export function printFdbEntry(entry: FdbEntry): string {
  return `${entry.mac} remote ${printAddr(entry.remote)} link ${entry.link}`;
}
