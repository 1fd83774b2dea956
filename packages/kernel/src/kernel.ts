import type { Addr, Cidr, Family, Mac } from '@calico/ip';
import type { Nftables, TableName } from './nftables/types.ts';

/** A network namespace held open by its file descriptor. `path` is where it was opened; the current one has none. */
export interface Namespace {
  readonly fd: number;
  readonly path: string | undefined;
  close(): void;
}

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: 'veth', 'vxlan', 'bridge', …; undefined for hardware and loopback. */
  readonly kind?: string;
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Up with a carrier (IFF_RUNNING). */
  readonly running: boolean;
  readonly mac?: Mac;
  /** Index of the bridge it is a port of. */
  readonly master?: number;
  /** IFLA_LINK: index of the parent (vxlan) or peer (veth); in another namespace if `peerNamespaceId` is set. */
  readonly parent?: number;
  /** IFLA_LINK_NETNSID: id, local to this namespace, of the one that `parent` is in. */
  readonly peerNamespaceId?: number;
  readonly alias?: string;
  readonly vxlan?: VxlanInfo;
}

export interface VxlanInfo {
  readonly vni: number;
  /** UDP destination port. */
  readonly port: number;
  readonly local?: Addr;
  readonly learning: boolean;
}

interface LinkEnd {
  /** How many queues it sends and receives by; the kernel's choice unless given. */
  readonly queues?: number;
  /** 1 to 15 bytes (IFNAMSIZ). */
  readonly name: string;
  readonly mtu?: number;
  readonly mac?: Mac;
}

interface LinkSpecBase extends LinkEnd {
  /** Brings it up in the same step; false unless given. */
  readonly up?: boolean;
}

/** The far end of a veth. It is always created down: the kernel can't open an end before the pair is made. */
export interface VethPeerSpec extends LinkEnd {
  /** Where the peer is created; the veth's own namespace unless given. */
  readonly namespace?: Namespace;
}

/** What to create. A VXLAN link never learns: its forwarding entries are given by {@link Kernel.replaceFdb}. */
export type LinkSpec = LinkSpecBase &
  (
    | { readonly kind: 'veth'; readonly peer: VethPeerSpec }
    | {
        readonly kind: 'vxlan';
        readonly vni: number;
        readonly port: number;
        readonly local?: Addr;
        readonly parent?: number;
      }
    | { readonly kind: 'bridge' }
    | { readonly kind: 'dummy' }
  );

/** Only the fields given are changed. `master: null` takes the link out of its bridge; `alias: ''` removes the alias. */
export interface LinkChange {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: Mac;
  readonly name?: string;
  readonly master?: number | null;
  /** Moves the link there; it may get another index, and loses its addresses and routes. */
  readonly namespace?: Namespace;
  readonly alias?: string;
}

/** linux/rtnetlink.h enum rt_scope_t; a number for the values without a name. */
export type Scope = 'universe' | 'site' | 'link' | 'host' | 'nowhere' | number;

export interface Address {
  readonly link: number;
  /** The address with its prefix length, host bits kept. */
  readonly address: Cidr;
  readonly scope: Scope;
  /** IPv6: no duplicate address detection, so usable at once (IFA_F_NODAD). */
  readonly noDad?: boolean;
  /** IPv6, read only: duplicate address detection has not ended (IFA_F_TENTATIVE). */
  readonly tentative?: boolean;
}

/** linux/rtnetlink.h RTN_*. */
export type RouteType =
  | 'unspec'
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

export interface Nexthop {
  readonly link: number;
  readonly gateway?: Addr;
  readonly onlink?: boolean;
  /** 1 to 256; 1 unless given. */
  readonly weight?: number;
}

/**
 * A route. Its identity is destination, table and metric. IPv6 knows no scope (always 'universe') and takes metric 1024
 * where none is given; both are what the kernel reports afterwards.
 */
export interface Route {
  /** Without host bits: the kernel answers EINVAL otherwise. */
  readonly destination: Cidr;
  /** 254 is main, 255 local; up to 2^32-1. */
  readonly table: number;
  /** Who made it: RTPROT_* (2 kernel, 3 boot, 4 static, 12 bird, 80 Felix). */
  readonly protocol: number;
  readonly scope: Scope;
  readonly type: RouteType;
  readonly link?: number;
  readonly gateway?: Addr;
  /** The gateway counts as reachable through the link without a route to it (RTNH_F_ONLINK). */
  readonly onlink?: boolean;
  readonly metric?: number;
  /** Preferred source address (RTA_PREFSRC). */
  readonly source?: Addr;
  /** RTAX_MTU. */
  readonly mtu?: number;
  /** Several next hops (RTA_MULTIPATH); `link` and `gateway` are then absent. */
  readonly nexthops?: readonly Nexthop[];
}

/** What names a route to delete: absent fields match any value. */
export type RouteKey = Pick<Route, 'destination' | 'table'> & Partial<Route>;

/** Which routes to list. */
export interface RouteFilter {
  readonly table?: number;
  readonly family?: Family;
}

/** Which neighbours to list. */
export interface NeighbourFilter {
  readonly link?: number;
  readonly family?: Family;
}

/** An ARP or NDP entry. `mac` is absent while it is unresolved. */
export interface Neighbour {
  readonly link: number;
  readonly address: Addr;
  readonly mac?: Mac;
  /** Never expires (NUD_PERMANENT). */
  readonly permanent: boolean;
}

/** An entry of a VXLAN link's forwarding table: frames to `mac` go to the tunnel endpoint `remote`. */
export interface FdbEntry {
  readonly link: number;
  readonly mac: Mac;
  readonly remote: Addr;
}

/** One end's view of a connection: addresses, protocol and, where it has them, ports. */
export interface ConntrackTuple {
  readonly source: Addr;
  readonly destination: Addr;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** A tracked connection; `reply` is what answers look like, NAT included. */
export interface ConntrackEntry {
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
}

/** A connection as the kernel listed it, by which it can be named again. */
export interface ListedConnection extends ConntrackEntry {
  /** Its timeout is fixed: packets do not renew it, and rules can tell (`ct status`, linux IPS_FIXED_TIMEOUT). */
  readonly fixedTimeout: boolean;
  /** What the kernel knows it by. */
  readonly key: unknown;
}

/** Of `ct status`: the connection's timeout is fixed. linux/netfilter/nf_conntrack_common.h IPS_FIXED_TIMEOUT */
export const fixedTimeoutStatus = 1 << 10;

export interface Conntrack {
  /** The connections whose original or reply source is the address, or all of them. */
  list(address?: Addr): ConntrackEntry[];
  /**
   * Forgets the connections that `list(address)` gives for any of the addresses; answers how many. The kernel walks its
   * whole table once, 8 ms on a large machine, whatever the number of addresses; nothing while it is empty.
   */
  deleteByAddresses(addresses: readonly Addr[]): number;
  /**
   * What `list` gives for any of the addresses, in steps of a millisecond or two, so that a turn of the event loop can end in
   * between. Connections that come or go meanwhile may be missing, or be listed though they are gone.
   */
  listInSteps(addresses: readonly Addr[]): Generator<void, readonly ListedConnection[]>;
  /** Fixes the timeout of connections, in seconds from now. Answers how many; those that are gone are passed over. */
  fixTimeout(connections: readonly ListedConnection[], seconds: number): number;
  /** Forgets connections. Answers how many; those that are gone are passed over. */
  delete(connections: readonly ListedConnection[]): number;
  /** Forgets all connections of the namespace. */
  flush(): void;
}

/** 'table': changes of nftables that somebody else than this kernel's own handle has made. */
export type EventGroup = 'link' | 'address' | 'route' | 'neighbour' | 'table';

/** A change that the kernel reports. After 'overrun' changes were lost: read everything again. */
export type KernelEvent =
  | { readonly kind: 'link'; readonly change: 'new' | 'deleted'; readonly link: Link }
  | { readonly kind: 'address'; readonly change: 'new' | 'deleted'; readonly address: Address }
  | { readonly kind: 'route'; readonly change: 'new' | 'deleted'; readonly route: Route }
  | { readonly kind: 'neighbour'; readonly change: 'new' | 'deleted'; readonly neighbour: Neighbour }
  | { readonly kind: 'table'; readonly table: TableName }
  | { readonly kind: 'overrun' };

export interface Subscription {
  /** No event is delivered after it. */
  close(): void;
}

/** A packet that a log rule met, as the kernel's nflog tells of it. */
export interface LoggedPacket {
  /** What the rule gives it. */
  readonly prefix: string;
  /** Indexes of the interfaces that it came in and goes out by. */
  readonly inInterface: number | undefined;
  readonly outInterface: number | undefined;
  /** From the IP header on, the first 128 bytes at most. */
  readonly bytes: Uint8Array;
}

/** Who is told of logged packets. */
export interface PacketLogHandler {
  packet(packet: LoggedPacket): void;
  /** Packets came faster than they were taken. */
  lost(): void;
}

/**
 * The network of one namespace. Every method is synchronous and throws KernelError; what a replace asks for may be there
 * already, and deleting what is absent is an error that `isAbsent` recognises.
 */
export interface Kernel {
  links(): Link[];
  link(nameOrIndex: string | number): Link | undefined;
  /** EEXIST if the name is taken. */
  createLink(spec: LinkSpec): Link;
  setLink(index: number, change: LinkChange): void;
  /** With its peer, addresses, routes and neighbours. ENODEV if absent. */
  deleteLink(index: number): void;
  /**
   * Deletes several links in one step of the kernel; absent ones are passed over. On Linux a deletion waits for RCU: 15 ms
   * for one link, 17 ms for eight this way. To be out of sight at once, set a link down and rename it first (0.2 ms).
   */
  deleteLinks(indexes: readonly number[]): void;

  addresses(link?: number): Address[];
  replaceAddress(address: Address): void;
  /** EADDRNOTAVAIL if absent. */
  deleteAddress(address: Pick<Address, 'link' | 'address'>): void;

  routes(filter?: RouteFilter): Route[];
  /** The same in steps of a few milliseconds, for long tables; changes in between may be in it or not. */
  routesInSteps(filter?: RouteFilter): Generator<void, Route[]>;
  replaceRoute(route: Route): void;
  /** ESRCH if absent. */
  deleteRoute(route: RouteKey): void;

  neighbours(filter?: NeighbourFilter): Neighbour[];
  /** The same in steps, as `routesInSteps`. */
  neighboursInSteps(filter?: NeighbourFilter): Generator<void, Neighbour[]>;
  /** `mac` is required. */
  replaceNeighbour(neighbour: Neighbour & { readonly mac: Mac }): void;
  /** ENOENT if absent. */
  deleteNeighbour(neighbour: Pick<Neighbour, 'link' | 'address'>): void;

  /** The entries with a remote tunnel endpoint. */
  fdb(link: number): FdbEntry[];
  /** The same in steps, as `routesInSteps`. */
  fdbInSteps(link: number): Generator<void, FdbEntry[]>;
  replaceFdb(entry: FdbEntry): void;
  /** ENOENT if absent. */
  deleteFdb(entry: FdbEntry): void;

  /** The value, without its closing newline; `path` such as 'net/ipv4/ip_forward'. ENOENT if absent. */
  sysctl(path: string): string;
  setSysctl(path: string, value: string): void;

  readonly nftables: Nftables;
  readonly conntrack: Conntrack;

  /** Calls `on` for each change from now on, never from within this call. */
  subscribe(groups: readonly EventGroup[], on: (event: KernelEvent) => void): Subscription;

  /** Delivers what log rules send to an nflog group from now on. EPERM while another socket has the group. */
  logPackets(group: number, handler: PacketLogHandler): Subscription;

  /** Closes its sockets and subscriptions. */
  close(): void;
}

/**
 * What one process can reach: the namespaces of its machine and the kernel in each. The Linux form is `linuxMachine` of
 * ./linux, the one in memory `FakeMachine` of ./fake.
 */
export interface Machine {
  /** Opens a network namespace by its file. ENOENT if absent. */
  openNamespace(path: string): Namespace;
  currentNamespace(): Namespace;
  /** Makes a namespace and pins it on `path`. EEXIST if the file is there. */
  createNamespace(path: string): Namespace;
  /** Unpins it. ENOENT if absent. */
  deleteNamespace(path: string): void;
  /** Runs synchronous work inside a namespace and comes back. */
  inNamespace<T>(namespace: Namespace, work: () => T extends PromiseLike<unknown> ? never : T): T;
  openKernel(options?: { namespace?: Namespace }): Kernel;
}
