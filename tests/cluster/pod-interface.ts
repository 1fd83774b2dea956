import { addr, cidr } from '@calico/ip';
import type { Kernel, Namespace } from '@calico/kernel';
import { createNamespace, openKernel } from '@calico/kernel/linux';
import { raiseLoopback } from '@calico/lab';

/**
 * Makes a pod's namespace at a path and connects it with a node by an interface, as the CNI server does: addresses and routes inside,
 * the node answers for everybody.
 */
export function connectPod(node: Kernel, path: string, ip: string, interfaceName: string, ip6?: string): Namespace {
  const namespace = createNamespace(path);
  const inside = openKernel({ namespace });
  raiseLoopback(inside);
  const mac = 'ee:ee:ee:ee:ee:ee';
  const host = node.createLink({ kind: 'veth', name: interfaceName, mac, peer: { name: 'eth0', namespace } });
  // An address under duplicate detection cannot ask who the pod's addresses are.
  node.setSysctl(`net/ipv6/conf/${interfaceName}/accept_dad`, '0');
  node.setLink(host.index, { up: true });
  node.setSysctl(`net/ipv4/conf/${interfaceName}/proxy_arp`, '1');
  const link = inside.link('eth0')?.index ?? 0;
  inside.setLink(link, { up: true });
  inside.replaceAddress({ link, address: cidr(`${ip}/32`), scope: 'universe' });
  const gateway = cidr('169.254.1.1/32');
  const main = { table: 254, protocol: 3, type: 'unicast', link } as const;
  inside.replaceRoute({ ...main, destination: gateway, scope: 'link' });
  inside.replaceRoute({ ...main, destination: cidr('0.0.0.0/0'), scope: 'universe', gateway: gateway.addr });
  inside.replaceNeighbour({ link, address: gateway.addr, mac, permanent: true });
  if (ip6 !== undefined) {
    inside.replaceAddress({ link, address: cidr(`${ip6}/128`), scope: 'universe', noDad: true });
    // The host end's address of its own link, which follows from its MAC (RFC 4291, appendix A).
    const hostEnd = addr('fe80::ecee:eeff:feee:eeee');
    inside.replaceRoute({ ...main, destination: cidr('::/0'), scope: 'universe', gateway: hostEnd });
    inside.replaceNeighbour({ link, address: hostEnd, mac, permanent: true });
  }
  inside.close();
  return namespace;
}
