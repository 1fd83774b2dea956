import { type CalicoNode, nodeTunnelAddresses, sha1Hex } from '@calico/api';
import { type Addr, type Cidr, type Family, maskCidr, parseCidr, printAddr, printCidr } from '@calico/ip';
import type { HostInfo, Vtep } from './messages.ts';
import { Outbox } from './outbox.ts';

/** What routes need to know of a node. */
export interface NodeAddresses {
  readonly host: { readonly [family in Family]?: Addr };
  /** The subnets of the node's addresses, of any length below a single address. */
  readonly subnet: { readonly [family in Family]?: Cidr };
  /** The node's ends of overlays: VXLAN, IPIP, WireGuard. */
  readonly tunnels: readonly Addr[];
}

/** The nodes of the cluster: their addresses, and their ends of the VXLAN overlay. */
export class Hosts {
  readonly outbox = new Outbox<HostInfo>();
  readonly vteps = new Outbox<Vtep>();
  readonly #nodes = new Map<string, NodeAddresses>();

  /** The node is now `resource`; undefined: it is gone. */
  set(name: string, resource: CalicoNode | undefined): void {
    if (resource === undefined) {
      this.#nodes.delete(name);
      this.outbox.put(name, undefined);
      this.vteps.put(name, undefined);
      return;
    }
    const node = readNode(resource);
    this.#nodes.set(name, node);
    this.outbox.put(name, hostInfo(name, node));
    this.vteps.put(name, readVtep(name, resource, node));
  }

  get(name: string): NodeAddresses | undefined {
    return this.#nodes.get(name);
  }

  get size(): number {
    return this.#nodes.size;
  }
}

function readNode(node: CalicoNode): NodeAddresses {
  const hosts = ([4, 6] as const).map(family => ({ family, cidr: hostCidrOf(node.spec, family) }));
  const host: { [family in Family]?: Addr } = {};
  const subnet: { [family in Family]?: Cidr } = {};
  for (const { family, cidr } of hosts) {
    if (cidr === undefined) continue;
    host[family] = cidr.addr;
    if (cidr.length < (family === 4 ? 32 : 128)) subnet[family] = maskCidr(cidr);
  }
  const tunnels = nodeTunnelAddresses(node).flatMap(text => readAddr(text) ?? []);
  return { host, subnet, tunnels };
}

/** The node's address for BGP, else its first internal, else its first external address of the family. */
function hostCidrOf(spec: CalicoNode['spec'], family: Family): Cidr | undefined {
  const bgp = readCidr(family === 4 ? spec.bgp?.ipv4Address : spec.bgp?.ipv6Address, family);
  if (bgp !== undefined) return bgp;
  for (const wanted of ['InternalIP', 'ExternalIP']) {
    for (const { address, type } of spec.addresses ?? []) {
      const cidr = type === wanted ? readCidr(address, family) : undefined;
      if (cidr !== undefined) return cidr;
    }
  }
  return undefined;
}

function readCidr(text: string | undefined, family: Family): Cidr | undefined {
  const cidr = text === undefined ? undefined : parseCidr(text);
  return cidr?.addr.family === family ? cidr : undefined;
}

function readAddr(text: string | undefined): Addr | undefined {
  return text === undefined ? undefined : parseCidr(text)?.addr;
}

function hostInfo(name: string, { host, subnet }: NodeAddresses): HostInfo {
  return {
    name,
    ...(host[4] === undefined ? {} : { ipv4: printAddr(host[4]) }),
    ...(host[6] === undefined ? {} : { ipv6: printAddr(host[6]) }),
    ...(subnet[4] === undefined ? {} : { subnet4: printCidr(subnet[4]) }),
    ...(subnet[6] === undefined ? {} : { subnet6: printCidr(subnet[6]) }),
  };
}

function readVtep(node: string, { spec }: CalicoNode, { host }: NodeAddresses): Vtep | undefined {
  const ipv4 = readAddr(spec.ipv4VXLANTunnelAddr);
  const ipv6 = readAddr(spec.ipv6VXLANTunnelAddr);
  const v4 =
    ipv4 === undefined || host[4] === undefined
      ? undefined
      : {
          mac: spec.vxlanTunnelMACAddr || defaultMac(node),
          ipv4: printAddr(ipv4),
          parentIpv4: printAddr(host[4]),
        };
  const v6 =
    ipv6 === undefined || host[6] === undefined
      ? undefined
      : {
          macV6: spec.vxlanTunnelMACAddrV6 || defaultMac(`${node}-v6`),
          ipv6: printAddr(ipv6),
          parentIpv6: printAddr(host[6]),
        };
  return v4 === undefined && v6 === undefined ? undefined : { node, ...v4, ...v6 };
}

/** The MAC of a tunnel device that was given none: 66 and the first five bytes of SHA-1 of the name. */
export function defaultMac(name: string): string {
  const digits = sha1Hex(name);
  return ['66', ...[0, 2, 4, 6, 8].map(at => digits.slice(at, at + 2))].join(':');
}
