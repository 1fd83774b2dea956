import { addrEquals, cidrEquals, type Mac, maskCidr, printAddr, printCidr } from '@calico/ip';
import type {
  Address,
  ConntrackEntry,
  EventGroup,
  FdbEntry,
  Kernel,
  KernelEvent,
  Link,
  LinkChange,
  LinkSpec,
  LoggedPacket,
  Neighbour,
  NeighbourFilter,
  PacketLogHandler,
  Route,
  RouteFilter,
  RouteKey,
  Subscription,
  VethPeerSpec,
} from '../kernel.ts';
import { printAddress, printFdbEntry, printLink, printNeighbour, printRoute } from '../print.ts';
import { FakeConntrack } from './conntrack.ts';
import type { FakeMachine } from './machine.ts';
import { type FakeLink, type FakeNet, isRunning, linkLocalOf, usesOnly, viewLink } from './net.ts';
import { refuse } from './refuse.ts';
import { acceptedRoute, matchesKey, sameRoute } from './routes.ts';

const MAIN = 254;
const RTPROT_KERNEL = 2;
const IFNAMSIZ = 16;
const ZERO_MAC = '00:00:00:00:00:00';

/** The methods that {@link FakeKernel.failNext} can make fail. */
export type FakeOp = Exclude<keyof Kernel, `${string}InSteps` | 'nftables' | 'conntrack' | 'subscribe' | 'close'>;

/** The network of one namespace in memory, with the errnos of Linux. */
export class FakeKernel implements Kernel {
  readonly nftables: FakeNet['nftables'];
  readonly conntrack: FakeConntrack;
  readonly #net: FakeNet;
  readonly #machine: FakeMachine;
  readonly #failures = new Map<FakeOp, string[]>();
  readonly #subscriptions = new Set<Subscription>();

  constructor(net: FakeNet, machine: FakeMachine) {
    this.#net = net;
    this.nftables = net.nftables;
    this.#machine = machine;
    this.conntrack = new FakeConntrack(net);
  }

  /** The next call of `op` throws KernelError `code` and changes nothing; several are used up in order. */
  failNext(op: FakeOp, code: string): void {
    this.#failures.set(op, [...(this.#failures.get(op) ?? []), code]);
  }

  /** Adds a connection that `conntrack` then lists. */
  track(entry: ConntrackEntry): void {
    this.#net.connections.push(entry);
  }

  /** Lets a log rule send a packet to a group. */
  logPacket(group: number, packet: LoggedPacket): void {
    this.#net.packetLogs.get(group)?.packet(packet);
  }

  /** Tells the subscribers that events were lost. */
  overrun(): void {
    this.#net.emit({ kind: 'overrun' });
  }

  /** All state but nftables as text, one object per line, sorted within its section. */
  dump(): string {
    const { addresses, routes, neighbours, fdb, sysctls } = this.#net;
    const sections: [string, string[]][] = [
      ['link', this.links().map(printLink)],
      ['address', addresses.map(printAddress).sort()],
      ['route', routes.map(printRoute).sort()],
      ['neighbour', neighbours.map(printNeighbour).sort()],
      ['fdb', fdb.map(printFdbEntry).sort()],
      ['sysctl', sysctls.changed()],
    ];
    return sections.flatMap(([name, lines]) => lines.map(line => `${name} ${line}\n`)).join('');
  }

  links(): Link[] {
    this.#fail('links', 'list links');
    return [...this.#net.links.values()].map(link => this.#view(link)).sort((a, b) => a.index - b.index);
  }

  link(nameOrIndex: string | number): Link | undefined {
    this.#fail('link', `get link ${nameOrIndex}`);
    const link = typeof nameOrIndex === 'number' ? this.#net.links.get(nameOrIndex) : this.#net.byName(nameOrIndex);
    return link && this.#view(link);
  }

  createLink(spec: LinkSpec): Link {
    const op = `create ${spec.kind} link ${spec.name}`;
    this.#fail('createLink', op);
    this.#checkName(this.#net, spec.name, op);
    if (spec.kind === 'veth') return this.#createVeth(spec, spec.peer, op);
    if (spec.kind === 'vxlan') return this.#createVxlan(spec, op);
    return this.#added(this.#net.addLink({ ...head(spec, this.#machine), kind: spec.kind }), spec);
  }

  setLink(index: number, change: LinkChange): void {
    const op = `set link ${index}`;
    this.#fail('setLink', op);
    const link = this.#link(index, op);
    const master = typeof change.master === 'number' ? this.#link(change.master, op) : undefined;
    const target = change.namespace && this.#machine.netOf(change.namespace, op);
    const name = change.name ?? link.name;
    if (name !== link.name || target !== undefined) this.#checkName(target ?? this.#net, name, op, link);
    if (change.mtu !== undefined && (change.mtu < 68 || change.mtu > 65535)) refuse(op, 'EINVAL');
    if (target !== undefined && target !== this.#net) this.#move(link, target);
    if (change.mtu !== undefined) link.mtu = change.mtu;
    if (change.mac !== undefined) link.mac = change.mac;
    if (change.alias !== undefined) link.alias = change.alias === '' ? undefined : change.alias;
    if (change.master !== undefined) link.master = master;
    if (name !== link.name) {
      link.net.sysctls.renameLink(link.name, name);
      link.name = name;
    }
    if (change.up !== undefined) this.#setUp(link, change.up);
    this.#announce(link);
  }

  deleteLink(index: number): void {
    const op = `delete link ${index}`;
    this.#fail('deleteLink', op);
    const link = this.#link(index, op);
    if (link.name === 'lo') refuse(op, 'EOPNOTSUPP');
    for (const gone of link.peer ? [link, link.peer] : [link]) {
      const view = this.#view(gone);
      gone.net.forget(gone);
      gone.net.emit({ kind: 'link', change: 'deleted', link: view });
    }
  }

  deleteLinks(indexes: readonly number[]): void {
    this.#fail('deleteLinks', `delete ${indexes.length} links`);
    for (const index of indexes) if (this.#net.links.has(index)) this.deleteLink(index);
  }

  addresses(link?: number): Address[] {
    this.#fail('addresses', 'list addresses');
    if (link !== undefined) this.#link(link, 'list addresses');
    return this.#net.addresses.filter(a => link === undefined || a.link === link);
  }

  replaceAddress(address: Address): void {
    const op = `set address ${printCidr(address.address)} on link ${address.link}`;
    this.#fail('replaceAddress', op);
    this.#putAddress(this.#link(address.link, op), address);
  }

  deleteAddress({ link, address }: Pick<Address, 'link' | 'address'>): void {
    const op = `delete address ${printCidr(address)} of link ${link}`;
    this.#fail('deleteAddress', op);
    this.#link(link, op);
    const old = this.#net.addresses.find(a => a.link === link && cidrEquals(a.address, address));
    if (old === undefined) refuse(op, 'EADDRNOTAVAIL');
    this.#net.addresses = this.#net.addresses.filter(a => a !== old);
    this.#net.emit({ kind: 'address', change: 'deleted', address: old });
    this.#dropRoutes(
      this.#net,
      r => r.protocol === RTPROT_KERNEL && r.link === link && cidrEquals(r.destination, maskCidr(address)),
    );
    this.#dropRoutes(this.#net, r => r.source !== undefined && addrEquals(r.source, address.addr));
  }

  *routesInSteps(filter: RouteFilter = {}): Generator<void, Route[]> {
    const read = this.routes(filter);
    yield;
    return read;
  }

  routes(filter: RouteFilter = {}): Route[] {
    this.#fail('routes', 'list routes');
    return this.#net.routes.filter(
      r =>
        (filter.table === undefined || r.table === filter.table) &&
        (filter.family === undefined || r.destination.addr.family === filter.family),
    );
  }

  replaceRoute(route: Route): void {
    const op = `set route ${printCidr(route.destination)} in table ${route.table}`;
    this.#fail('replaceRoute', op);
    const accepted = acceptedRoute(this.#net, route, op);
    this.#net.routes = [...this.#net.routes.filter(r => !sameRoute(r, accepted)), accepted];
    this.#net.emit({ kind: 'route', change: 'new', route: accepted });
  }

  deleteRoute(key: RouteKey): void {
    const op = `delete route ${printCidr(key.destination)} in table ${key.table}`;
    this.#fail('deleteRoute', op);
    const [first] = this.#net.routes.filter(r => matchesKey(r, key)).sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
    if (first === undefined) refuse(op, 'ESRCH');
    this.#dropRoutes(this.#net, r => r === first);
  }

  *neighboursInSteps(filter: NeighbourFilter = {}): Generator<void, Neighbour[]> {
    const read = this.neighbours(filter);
    yield;
    return read;
  }

  neighbours(filter: NeighbourFilter = {}): Neighbour[] {
    this.#fail('neighbours', 'list neighbours');
    return this.#net.neighbours.filter(
      n =>
        (filter.link === undefined || n.link === filter.link) &&
        (filter.family === undefined || n.address.family === filter.family),
    );
  }

  replaceNeighbour(neighbour: Neighbour & { readonly mac: Mac }): void {
    const op = `set neighbour ${printAddr(neighbour.address)} on link ${neighbour.link}`;
    this.#fail('replaceNeighbour', op);
    this.#link(neighbour.link, op);
    this.#net.neighbours = [...this.#net.neighbours.filter(n => !sameNeighbour(n, neighbour)), neighbour];
    this.#net.emit({ kind: 'neighbour', change: 'new', neighbour });
  }

  deleteNeighbour(neighbour: Pick<Neighbour, 'link' | 'address'>): void {
    const op = `delete neighbour ${printAddr(neighbour.address)} of link ${neighbour.link}`;
    this.#fail('deleteNeighbour', op);
    this.#link(neighbour.link, op);
    const old = this.#net.neighbours.find(n => sameNeighbour(n, neighbour));
    if (old === undefined) refuse(op, 'ENOENT');
    this.#net.neighbours = this.#net.neighbours.filter(n => n !== old);
    this.#net.emit({ kind: 'neighbour', change: 'deleted', neighbour: old });
  }

  *fdbInSteps(link: number): Generator<void, FdbEntry[]> {
    const read = this.fdb(link);
    yield;
    return read;
  }

  fdb(link: number): FdbEntry[] {
    this.#fail('fdb', `list forwarding entries of link ${link}`);
    return this.#net.fdb.filter(entry => entry.link === link);
  }

  replaceFdb(entry: FdbEntry): void {
    const op = `set forwarding entry ${entry.mac} via ${printAddr(entry.remote)} on link ${entry.link}`;
    this.#fail('replaceFdb', op);
    if (this.#link(entry.link, op).kind !== 'vxlan') refuse(op, 'EOPNOTSUPP');
    this.#net.fdb = [...this.#net.fdb.filter(e => e.link !== entry.link || e.mac !== entry.mac), entry];
  }

  deleteFdb(entry: FdbEntry): void {
    const op = `delete forwarding entry ${entry.mac} of link ${entry.link}`;
    this.#fail('deleteFdb', op);
    this.#link(entry.link, op);
    const kept = this.#net.fdb.filter(
      e => e.link !== entry.link || e.mac !== entry.mac || !addrEquals(e.remote, entry.remote),
    );
    if (kept.length === this.#net.fdb.length) refuse(op, 'ENOENT');
    this.#net.fdb = kept;
  }

  sysctl(path: string): string {
    this.#fail('sysctl', `read sysctl ${path}`);
    return this.#net.sysctls.get(path);
  }

  setSysctl(path: string, value: string): void {
    this.#fail('setSysctl', `set sysctl ${path} to ${value}`);
    this.#net.sysctls.set(path, value);
  }

  subscribe(groups: readonly EventGroup[], on: (event: KernelEvent) => void): Subscription {
    let open = true;
    const listener = (event: KernelEvent) => {
      if (event.kind !== 'overrun' && !groups.includes(event.kind)) return;
      queueMicrotask(() => {
        if (open) on(event);
      });
    };
    this.#net.listeners.add(listener);
    const subscription = {
      close: () => {
        open = false;
        this.#net.listeners.delete(listener);
        this.#subscriptions.delete(subscription);
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  logPackets(group: number, handler: PacketLogHandler): Subscription {
    const op = `bind nflog group ${group}`;
    this.#fail('logPackets', op);
    if (this.#net.packetLogs.has(group)) refuse(op, 'EPERM');
    this.#net.packetLogs.set(group, handler);
    const subscription = {
      close: () => {
        if (this.#net.packetLogs.get(group) === handler) this.#net.packetLogs.delete(group);
        this.#subscriptions.delete(subscription);
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
  }

  #fail(op: FakeOp, what: string): void {
    const code = this.#failures.get(op)?.shift();
    if (code !== undefined) refuse(what, code);
  }

  #view(link: FakeLink): Link {
    return viewLink(link, net => this.#machine.namespaceId(net));
  }

  #link(index: number, op: string): FakeLink {
    return this.#net.links.get(index) ?? refuse(op, 'ENODEV');
  }

  #checkName(net: FakeNet, name: string, op: string, self?: FakeLink): void {
    if (new TextEncoder().encode(name).length >= IFNAMSIZ) refuse(op, 'ERANGE', 'Attribute failed policy validation');
    if (name === '' || name === '.' || name === '..' || /[/:\s]/.test(name)) refuse(op, 'EINVAL');
    const taken = net.byName(name);
    if (taken !== undefined && taken !== self) refuse(op, 'EEXIST');
  }

  #createVeth(spec: LinkSpec, peerSpec: VethPeerSpec, op: string): Link {
    const net = peerSpec.namespace ? this.#machine.netOf(peerSpec.namespace, op) : this.#net;
    this.#checkName(net, peerSpec.name, op);
    if (net === this.#net && peerSpec.name === spec.name) refuse(op, 'EEXIST');
    const peer = net.addLink({ ...head(peerSpec, this.#machine), kind: 'veth' });
    const link = this.#net.addLink({ ...head(spec, this.#machine), kind: 'veth' });
    link.peer = peer;
    peer.peer = link;
    this.#announce(peer);
    return this.#added(link, spec);
  }

  #createVxlan(spec: LinkSpec & { kind: 'vxlan' }, op: string): Link {
    const { vni, port, local, parent } = spec;
    if (parent !== undefined) this.#link(parent, op);
    for (const { vxlan } of this.#net.links.values()) {
      if (vxlan?.vni === vni && vxlan.port === port)
        refuse(op, 'EEXIST', 'A VXLAN device with the specified VNI already exists');
    }
    const vxlan = { vni, port, ...(local && { local }), learning: false };
    const below = parent === undefined ? {} : { parent };
    return this.#added(this.#net.addLink({ ...head(spec, this.#machine), kind: 'vxlan', vxlan, ...below }), spec);
  }

  #added(link: FakeLink, spec: LinkSpec): Link {
    if (spec.up) this.#setUp(link, true);
    this.#announce(link);
    return this.#view(link);
  }

  #announce(link: FakeLink): void {
    link.net.emit({ kind: 'link', change: 'new', link: this.#view(link) });
  }

  #move(link: FakeLink, target: FakeNet): void {
    const view = this.#view(link);
    link.net.forget(link);
    link.net.emit({ kind: 'link', change: 'deleted', link: view });
    link.up = false;
    link.master = undefined;
    target.adopt(link);
  }

  /** As Linux: down takes IPv6 addresses, routes and neighbours away; up brings connected routes and, running, link-local. */
  #setUp(link: FakeLink, up: boolean): void {
    const { net, index } = link;
    if (link.up === up) return;
    link.up = up;
    if (up) {
      for (const address of net.addresses) if (address.link === index) this.#connect(net, address);
    } else {
      this.#dropRoutes(net, r => usesOnly(r, index));
      net.neighbours = net.neighbours.filter(n => n.link !== index);
      net.addresses = net.addresses.filter(a => a.link !== index || a.address.addr.family === 4);
    }
    for (const end of link.peer ? [link, link.peer] : [link]) this.#addLinkLocal(end);
  }

  #addLinkLocal(link: FakeLink): void {
    if (!isRunning(link) || link.name === 'lo' || link.mac === undefined) return;
    const { net } = link;
    if (net.sysctls.get(`net/ipv6/conf/${link.name}/disable_ipv6`) !== '0') return;
    if (net.addresses.some(a => a.link === link.index && a.scope === 'link' && a.address.addr.family === 6)) return;
    this.#putAddress(link, { link: link.index, address: linkLocalOf(link.mac), scope: 'link' });
  }

  #putAddress({ net, up }: FakeLink, address: Address): void {
    const { tentative: _, noDad, scope, ...rest } = address;
    // IPv6 derives the scope from the address and never keeps another.
    const six = address.address.addr.family === 6;
    const derived = !six ? scope : address.address.addr.value >> 118n === 0x3fan ? 'link' : 'universe';
    const kept: Address = { ...rest, scope: derived, ...(six && noDad && { noDad }) };
    net.addresses = [...net.addresses.filter(a => a.link !== kept.link || !cidrEquals(a.address, kept.address)), kept];
    net.emit({ kind: 'address', change: 'new', address: kept });
    if (up) this.#connect(net, kept);
  }

  /** The route to an address's own prefix, which the kernel makes. */
  #connect(net: FakeNet, { link, address }: Address): void {
    const six = address.addr.family === 6;
    if (!six && address.length === 32) return;
    const route: Route = {
      destination: maskCidr(address),
      table: MAIN,
      protocol: RTPROT_KERNEL,
      type: 'unicast',
      link,
      ...(six ? { scope: 'universe', metric: 256 } : { scope: 'link', source: address.addr }),
    };
    if (net.routes.some(r => sameRoute(r, route) && r.link === link)) return;
    net.routes = [...net.routes, route];
    net.emit({ kind: 'route', change: 'new', route });
  }

  #dropRoutes(net: FakeNet, which: (route: Route) => boolean): void {
    const dropped = net.routes.filter(which);
    net.routes = net.routes.filter(route => !dropped.includes(route));
    for (const route of dropped) net.emit({ kind: 'route', change: 'deleted', route });
  }
}

function head(spec: VethPeerSpec, machine: FakeMachine): { name: string; mtu: number; mac: Mac } {
  const mac = spec.mac === undefined || spec.mac === ZERO_MAC ? machine.nextMac() : spec.mac;
  return { name: spec.name, mtu: spec.mtu ?? 1500, mac };
}

function sameNeighbour(a: Pick<Neighbour, 'link' | 'address'>, b: Pick<Neighbour, 'link' | 'address'>): boolean {
  return a.link === b.link && addrEquals(a.address, b.address);
}
