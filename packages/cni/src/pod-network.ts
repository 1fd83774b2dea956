import { type Addr, addr, type Cidr, cidr, type Family, hostCidr, type Mac, maskCidr } from '@calico/ip';
import { isAbsent, type Kernel, type Link, type Namespace, type Route } from '@calico/kernel';

/** The MAC of every host end: pods reach their gateway by proxy ARP, so one address serves all. */
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** The pods' IPv4 gateway; it exists nowhere, the host answers ARP for it. */
export const GATEWAY_V4: Addr = addr('169.254.1.1');
/** The pods' IPv6 gateway: the link-local address (EUI-64, RFC 4291 appendix A) of {@link HOST_MAC}. */
export const GATEWAY_V6: Addr = addr('fe80::ecee:eeff:feee:eeee');

/** RT_TABLE_MAIN. */
export const MAIN_TABLE = 254;
/** RTPROT_BOOT: as `ip route add` and Calico's plugin write it. */
const PROTOCOL_BOOT = 3;
const DEFAULT_V4 = cidr('0.0.0.0/0');
const DEFAULT_V6 = cidr('::/0');
/** Everywhere, in both families. */
export const DEFAULT_ROUTES: readonly Cidr[] = [DEFAULT_V4, DEFAULT_V6];

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
export function createVeth(place: PodPlace, mtu: number, owner: string, queues = 1): VethPair {
  const { hostKernel, podKernel, podNamespace, hostName, podName } = place;
  const host = hostKernel.createLink({
    kind: 'veth',
    name: hostName,
    mtu,
    mac: HOST_MAC,
    queues,
    peer: { name: podName, mtu, queues, namespace: podNamespace },
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

/** What a pod gets inside its namespace. */
export interface PodSetup {
  readonly addresses: readonly Addr[];
  /** Where its packets may go, all of them by the node; everywhere where there are none of a family. */
  readonly routes: readonly Cidr[];
  readonly allowIpForwarding: boolean;
  /** The hardware address; the kernel's choice unless given. */
  readonly mac: Mac | undefined;
}

/** Gives the pod its addresses, the routes through the gateway, and forwarding as wished. Throws KernelError. */
export function configurePod(place: PodPlace, { host, pod }: VethPair, setup: PodSetup): void {
  const { hostKernel, podKernel } = place;
  const { addresses, allowIpForwarding, mac } = setup;
  const link = pod.index;
  if (mac !== undefined) podKernel.setLink(link, { mac });
  const four = addresses.filter(({ family }) => family === 4);
  const six = addresses.filter(({ family }) => family === 6);
  const neighbour = { link, mac: HOST_MAC, permanent: true };
  if (four.length > 0) {
    podKernel.replaceRoute(route(hostCidr(GATEWAY_V4), link));
    for (const destination of podRoutes(setup, 4)) {
      podKernel.replaceRoute({ ...route(destination, link), scope: 'universe', gateway: GATEWAY_V4 });
    }
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
    for (const destination of podRoutes(setup, 6)) {
      podKernel.replaceRoute({ ...route(destination, link), scope: 'universe', gateway: GATEWAY_V6, onlink: true });
    }
    // Not marked as free of duplicate detection, which accept_dad turns off: so they tell when they are in use (isSettled).
    for (const each of six) podKernel.replaceAddress({ link, address: hostCidr(each), scope: 'universe' });
    podKernel.replaceNeighbour({ ...neighbour, address: GATEWAY_V6 });
  }
  const forwarding = allowIpForwarding ? '1' : '0';
  if (four.length > 0) podKernel.setSysctl('net/ipv4/ip_forward', forwarding);
  if (six.length > 0) podKernel.setSysctl('net/ipv6/conf/all/forwarding', forwarding);
}

/** The destinations of a pod's routes of one family. */
export function podRoutes({ routes }: Pick<PodSetup, 'routes'>, family: Family): readonly Cidr[] {
  const own = routes.filter(({ addr }) => addr.family === family).map(maskCidr);
  return own.length > 0 ? own : [family === 4 ? DEFAULT_V4 : DEFAULT_V6];
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

function route(destination: Cidr, link: number): Route {
  return { destination, table: MAIN_TABLE, protocol: PROTOCOL_BOOT, scope: 'link', type: 'unicast', link };
}

function linkLocal(address: Addr): Cidr {
  return { addr: address, length: 64 };
}

/** As Calico's plugin sets them: the host answers for the gateway, forwards, and takes no router's word. */
export function hostSysctls(
  name: string,
): { readonly path: string; readonly value: string; readonly optional: boolean }[] {
  const four = { route_localnet: '1', proxy_arp: '1', forwarding: '1' };
  const six = { accept_dad: '0', disable_ipv6: '0', proxy_ndp: '1', forwarding: '1', accept_ra: '0' };
  return [
    { path: `net/ipv4/neigh/${name}/proxy_delay`, value: '0', optional: false },
    ...Object.entries(four).map(([key, value]) => ({ path: `net/ipv4/conf/${name}/${key}`, value, optional: false })),
    // A kernel without IPv6 has none of these.
    ...Object.entries(six).map(([key, value]) => ({ path: `net/ipv6/conf/${name}/${key}`, value, optional: true })),
  ];
}

function setHostSysctls(kernel: Kernel, name: string): void {
  for (const { path, value, optional } of hostSysctls(name)) {
    if (optional) setSysctl(kernel, path, value);
    else kernel.setSysctl(path, value);
  }
}

/** Sets what a kernel without IPv6 does not have. */
function setSysctl(kernel: Kernel, path: string, value: string): void {
  try {
    kernel.setSysctl(path, value);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
