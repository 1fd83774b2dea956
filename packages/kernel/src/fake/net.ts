import { type Addr, type Cidr, type Mac, macToBytes } from '@calico/ip';
import type {
  Address,
  ConntrackEntry,
  FdbEntry,
  KernelEvent,
  Link,
  Neighbour,
  PacketLogHandler,
  Route,
  VxlanInfo,
} from '../kernel.ts';
import { fakeNftables } from '../nftables/fake.ts';
import { FakeSysctls } from './sysctls.ts';

/** A link in memory; its index and namespace change when it is moved. */
export interface FakeLink {
  net: FakeNet;
  index: number;
  name: string;
  readonly kind: string | undefined;
  mtu: number;
  mac: Mac | undefined;
  up: boolean;
  master: FakeLink | undefined;
  alias: string | undefined;
  /** veth: the other end. */
  peer: FakeLink | undefined;
  /** vxlan: the index of the link below. */
  readonly parent: number | undefined;
  readonly vxlan: VxlanInfo | undefined;
}

/** All that one network namespace holds. Plain state; what is allowed is decided by the kernel over it. */
export class FakeNet {
  readonly links = new Map<number, FakeLink>();
  addresses: Address[] = [];
  routes: Route[] = [];
  neighbours: Neighbour[] = [];
  fdb: FdbEntry[] = [];
  connections: ConntrackEntry[] = [];
  readonly sysctls = new FakeSysctls();
  readonly nftables = fakeNftables();
  readonly listeners = new Set<(event: KernelEvent) => void>();
  /** By nflog group. */
  readonly packetLogs = new Map<number, PacketLogHandler>();
  #lastIndex = 0;

  constructor() {
    this.nftables.onForeignChange(table => this.emit({ kind: 'table', table }));
    this.addLink({ name: 'lo', kind: undefined, mtu: 65536, mac: '00:00:00:00:00:00' });
  }

  addLink(init: {
    name: string;
    kind: string | undefined;
    mtu: number;
    mac: Mac | undefined;
    parent?: number;
    vxlan?: VxlanInfo;
  }): FakeLink {
    const { parent, vxlan, ...rest } = init;
    const index = ++this.#lastIndex;
    const link = { ...rest, parent, vxlan, net: this, index, up: false, master: undefined, alias: undefined };
    const added: FakeLink = { ...link, peer: undefined };
    this.links.set(index, added);
    this.sysctls.addLink(init.name);
    return added;
  }

  byName(name: string): FakeLink | undefined {
    for (const link of this.links.values()) if (link.name === name) return link;
    return undefined;
  }

  /** Takes the link in from another namespace, under its old index if that is free. */
  adopt(link: FakeLink): void {
    link.index = this.links.has(link.index) ? ++this.#lastIndex : link.index;
    this.#lastIndex = Math.max(this.#lastIndex, link.index);
    link.net = this;
    this.links.set(link.index, link);
    this.sysctls.addLink(link.name);
  }

  /** Removes the link and all that hangs on it. */
  forget(link: FakeLink): void {
    this.links.delete(link.index);
    this.sysctls.deleteLink(link.name);
    this.addresses = this.addresses.filter(a => a.link !== link.index);
    this.routes = this.routes.filter(r => !usesOnly(r, link.index));
    this.neighbours = this.neighbours.filter(n => n.link !== link.index);
    this.fdb = this.fdb.filter(e => e.link !== link.index);
    for (const other of this.links.values()) if (other.master === link) other.master = undefined;
  }

  emit(event: KernelEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

/** Whether the route has no way left without that link. */
export function usesOnly(route: Route, index: number): boolean {
  return route.nexthops ? route.nexthops.every(hop => hop.link === index) : route.link === index;
}

/** Up with a carrier: a veth needs its peer up, a bridge a running port. */
export function isRunning(link: FakeLink): boolean {
  if (!link.up) return false;
  if (link.kind === 'veth') return link.peer?.up === true;
  if (link.kind === 'bridge') return [...link.net.links.values()].some(port => port.master === link && isRunning(port));
  return true;
}

/** The link as the Kernel interface shows it. */
export function viewLink(link: FakeLink, namespaceId: (net: FakeNet) => number): Link {
  const { peer } = link;
  const parent = peer?.index ?? link.parent;
  return {
    index: link.index,
    name: link.name,
    ...(link.kind !== undefined && { kind: link.kind }),
    mtu: link.mtu,
    up: link.up,
    running: isRunning(link),
    ...(link.mac !== undefined && { mac: link.mac }),
    ...(link.master !== undefined && { master: link.master.index }),
    ...(parent !== undefined && { parent }),
    ...(peer !== undefined && peer.net !== link.net && { peerNamespaceId: namespaceId(peer.net) }),
    ...(link.alias !== undefined && { alias: link.alias }),
    ...(link.vxlan !== undefined && { vxlan: link.vxlan }),
  };
}

/** The IPv6 link-local address made from a MAC: fe80::/64 with the modified EUI-64 (RFC 4291 appendix A). */
export function linkLocalOf(mac: Mac): Cidr {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = macToBytes(mac);
  const identifier = [a ^ 2, b, c, 0xff, 0xfe, d, e, f].reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const address: Addr = { family: 6, value: (0xfe80n << 112n) | identifier };
  return { addr: address, length: 64 };
}
