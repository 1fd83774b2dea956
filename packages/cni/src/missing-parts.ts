import { addrEquals, type Cidr, cidrEquals, hostCidr, printAddr, printCidr } from '@calico/ip';
import { isAbsent, type Kernel } from '@calico/kernel';
import {
  GATEWAY_V4,
  GATEWAY_V6,
  HOST_MAC,
  hostSysctls,
  MAIN_TABLE,
  type PodPlace,
  type PodSetup,
  podRoutes,
} from './pod-network.ts';

/** What a container with this setup lacks in the kernel, each in words; empty when all is there. */
export function missingParts(place: PodPlace, setup: PodSetup): string[] {
  const { hostKernel, podKernel, hostName, podName } = place;
  const missing: string[] = [];
  const host = hostKernel.link(hostName);
  const pod = podKernel.link(podName);
  if (host?.up !== true) missing.push(`the host's interface ${hostName} is ${host === undefined ? 'absent' : 'down'}`);
  if (pod?.up !== true) missing.push(`the pod's interface ${podName} is ${pod === undefined ? 'absent' : 'down'}`);
  if (host === undefined || pod === undefined) return missing;
  if (host.parent !== pod.index) missing.push(`the host's interface ${hostName} does not lead to the pod's ${podName}`);
  if (host.mac !== HOST_MAC) missing.push(`the host's interface ${hostName} has address ${host.mac}, not ${HOST_MAC}`);
  for (const { path, value } of hostSysctls(hostName)) missing.push(...wrongSysctl(hostKernel, path, value));
  const present = podKernel.addresses(pod.index);
  const hostRoutes = hostKernel.routes({ table: MAIN_TABLE });
  const routes = podKernel.routes({ table: MAIN_TABLE }).filter(({ link }) => link === pod.index);
  for (const each of setup.addresses) {
    const own = hostCidr(each);
    if (!present.some(({ address }) => cidrEquals(address, own))) {
      missing.push(`the pod's interface ${podName} lacks address ${printAddr(each)}`);
    }
    if (!hostRoutes.some(({ destination, link }) => link === host.index && cidrEquals(destination, own))) {
      missing.push(`the host lacks route ${printCidr(own)} to ${hostName}`);
    }
  }
  for (const family of new Set(setup.addresses.map(({ family: each }) => each))) {
    const gateway = family === 4 ? GATEWAY_V4 : GATEWAY_V6;
    const hasRoute = (wanted: Cidr) =>
      routes.some(
        route =>
          cidrEquals(route.destination, wanted) && route.gateway !== undefined && addrEquals(route.gateway, gateway),
      );
    for (const destination of podRoutes(setup, family)) {
      if (hasRoute(destination)) continue;
      missing.push(`the pod lacks its route ${printCidr(destination)} via ${printAddr(gateway)}`);
    }
    const forwarding = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
    missing.push(...wrongSysctl(podKernel, forwarding, setup.allowIpForwarding ? '1' : '0', 'the pod'));
  }
  return missing;
}

/** What the kernel does not have at all counts as right: an IPv6 that is not there. */
function wrongSysctl(kernel: Kernel, path: string, wanted: string, whose = 'the host'): string[] {
  try {
    const value = kernel.sysctl(path);
    return value === wanted ? [] : [`${whose}'s sysctl ${path} is ${value}, not ${wanted}`];
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
