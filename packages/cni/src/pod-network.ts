import { type Addr, addr, addrEquals, type Cidr, cidr, cidrEquals, hostCidr, printAddr, printCidr } from '@calico/ip';
import { isAbsent, type Kernel, type Link, type Namespace, type Route } from '@calico/kernel';

/** The MAC of every host end: pods reach their gateway by proxy ARP, so one address serves all. */
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** The pods' IPv4 gateway; it exists nowhere, the host answers ARP for it. */
export const GATEWAY_V4: Addr = addr('169.254.1.1');
/** The pods' IPv6 gateway: the link-local address (EUI-64, RFC 4291 appendix A) of {@link HOST_MAC}. */
export const GATEWAY_V6: Addr = addr('fe80::ecee:eeff:feee:eeee');

const MAIN_TABLE = 254;
/** RTPROT_BOOT: as `ip route add` and Calico's plugin write it. */
const PROTOCOL_BOOT = 3;
const DEFAULT_V4 = cidr('0.0.0.0/0');
const DEFAULT_V6 = cidr('::/0');

/** A pod's place in the kernel: the node's network, the pod's, and the two names of the veth. */
export interface PodPlace {
  readonly hostKernel: Kernel;
  readonly podKernel: Kernel;
  readonly podNamespace: Namespace;
  readonly hostName: string;
  readonly podName: string;
}

/** The ends of a pod's veth. */
export interface VethPair {
  readonly host: Link;
  readonly pod: Link;
}

/**
 * Makes the veth of a pod and sets the host's end up; both names must be free. `owner` is noted on the host's end, as its
 * alias. Without addresses yet. Throws KernelError; then nothing is left.
 */
export function createVeth(place: PodPlace, mtu: number, owner: string): VethPair {
  const { hostKernel, podKernel, podNamespace, hostName, podName } = place;
  const host = hostKernel.createLink({
    kind: 'veth',
    name: hostName,
    mtu,
    mac: HOST_MAC,
    peer: { name: podName, mtu, namespace: podNamespace },
  });
  try {
    hostKernel.setLink(host.index, { alias: owner });
    setHostSysctls(hostKernel, hostName);
    hostKernel.setLink(host.index, { up: true });
    const pod = podKernel.link(podName);
    if (pod === undefined) throw new Error(`Cannot set up interface ${podName}: it is gone from the pod's namespace`);
    setSysctl(podKernel, `net/ipv6/conf/${podName}/accept_dad`, '0');
    podKernel.setLink(pod.index, { up: true });
    return { host, pod };
  } catch (error) {
    hostKernel.deleteLink(host.index);
    throw error;
  }
}

/** Gives the pod its addresses, the routes through the gateway, and forwarding as wished. Throws KernelError. */
export function configurePod(
  place: PodPlace,
  { host, pod }: VethPair,
  addresses: readonly Addr[],
  allowIpForwarding: boolean,
): void {
  const { hostKernel, podKernel } = place;
  const link = pod.index;
  const four = addresses.filter(({ family }) => family === 4);
  const six = addresses.filter(({ family }) => family === 6);
  const neighbour = { link, mac: HOST_MAC, permanent: true };
  if (four.length > 0) {
    podKernel.replaceRoute(route(hostCidr(GATEWAY_V4), link));
    podKernel.replaceRoute({ ...route(DEFAULT_V4, link), scope: 'universe', gateway: GATEWAY_V4 });
    for (const each of four) podKernel.replaceAddress({ link, address: hostCidr(each), scope: 'universe' });
    podKernel.replaceNeighbour({ ...neighbour, address: GATEWAY_V4 });
  }
  if (six.length > 0) {
    for (const conf of ['all', 'default', 'lo', place.podName]) {
      podKernel.setSysctl(`net/ipv6/conf/${conf}/disable_ipv6`, '0');
    }
    hostKernel.setSysctl(`net/ipv6/conf/${place.hostName}/disable_ipv6`, '0');
    // The kernel makes the same address itself unless it is told to make addresses of another kind.
    hostKernel.replaceAddress({ link: host.index, address: linkLocal(GATEWAY_V6), scope: 'link' });
    podKernel.replaceRoute({ ...route(DEFAULT_V6, link), scope: 'universe', gateway: GATEWAY_V6, onlink: true });
    // Not marked as free of duplicate detection, which accept_dad turns off: so they tell when they are in use (isSettled).
    for (const each of six) podKernel.replaceAddress({ link, address: hostCidr(each), scope: 'universe' });
    podKernel.replaceNeighbour({ ...neighbour, address: GATEWAY_V6 });
  }
  const forwarding = allowIpForwarding ? '1' : '0';
  if (four.length > 0) podKernel.setSysctl('net/ipv4/ip_forward', forwarding);
  if (six.length > 0) podKernel.setSysctl('net/ipv6/conf/all/forwarding', forwarding);
}

/**
 * Whether the first packet will pass. The kernel brings carriers up and takes IPv6 addresses into use in work queues, some
 * milliseconds after the call that asks for it has returned; packets before that are lost.
 */
export function isSettled({ hostKernel, podKernel }: PodPlace, { host, pod }: VethPair): boolean {
  const ends = [
    { kernel: hostKernel, index: host.index },
    { kernel: podKernel, index: pod.index },
  ];
  return ends.every(
    ({ kernel, index }) =>
      kernel.link(index)?.running === true && !kernel.addresses(index).some(({ tentative }) => tentative),
  );
}

/** What a pod with these addresses lacks in the kernel, each in words; empty when all is there. */
export function missingFromPod(place: PodPlace, addresses: readonly Addr[]): string[] {
  const { hostKernel, podKernel, hostName, podName } = place;
  const missing: string[] = [];
  const host = hostKernel.link(hostName);
  const pod = podKernel.link(podName);
  if (host?.up !== true) missing.push(`the host's interface ${hostName} is ${host === undefined ? 'absent' : 'down'}`);
  if (pod?.up !== true) missing.push(`the pod's interface ${podName} is ${pod === undefined ? 'absent' : 'down'}`);
  if (host === undefined || pod === undefined) return missing;
  const present = podKernel.addresses(pod.index);
  const podRoutes = podKernel.routes({ table: MAIN_TABLE });
  const hostRoutes = hostKernel.routes({ table: MAIN_TABLE });
  for (const each of addresses) {
    const own = hostCidr(each);
    if (!present.some(({ address }) => cidrEquals(address, own))) {
      missing.push(`the pod's interface ${podName} lacks address ${printAddr(each)}`);
    }
    if (!hostRoutes.some(({ destination, link }) => link === host.index && cidrEquals(destination, own))) {
      missing.push(`the host lacks route ${printCidr(own)} to ${hostName}`);
    }
    const [everything, gateway] = each.family === 4 ? [DEFAULT_V4, GATEWAY_V4] : [DEFAULT_V6, GATEWAY_V6];
    const hasDefault = podRoutes.some(
      candidate =>
        candidate.link === pod.index &&
        cidrEquals(candidate.destination, everything) &&
        candidate.gateway !== undefined &&
        addrEquals(candidate.gateway, gateway),
    );
    if (!hasDefault) missing.push(`the pod lacks its default route via ${printAddr(gateway)}`);
  }
  return missing;
}

function route(destination: Cidr, link: number): Route {
  return { destination, table: MAIN_TABLE, protocol: PROTOCOL_BOOT, scope: 'link', type: 'unicast', link };
}

function linkLocal(address: Addr): Cidr {
  return { addr: address, length: 64 };
}

/** As Calico's plugin sets them: the host answers for the gateway, forwards, and takes no router's word. */
function setHostSysctls(kernel: Kernel, name: string): void {
  kernel.setSysctl(`net/ipv4/conf/${name}/route_localnet`, '1');
  kernel.setSysctl(`net/ipv4/neigh/${name}/proxy_delay`, '0');
  kernel.setSysctl(`net/ipv4/conf/${name}/proxy_arp`, '1');
  kernel.setSysctl(`net/ipv4/conf/${name}/forwarding`, '1');
  setSysctl(kernel, `net/ipv6/conf/${name}/accept_dad`, '0');
  setSysctl(kernel, `net/ipv6/conf/${name}/disable_ipv6`, '0');
  setSysctl(kernel, `net/ipv6/conf/${name}/proxy_ndp`, '1');
  setSysctl(kernel, `net/ipv6/conf/${name}/forwarding`, '1');
  setSysctl(kernel, `net/ipv6/conf/${name}/accept_ra`, '0');
}

/** Sets what a kernel without IPv6 does not have. */
function setSysctl(kernel: Kernel, path: string, value: string): void {
  try {
    kernel.setSysctl(path, value);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
