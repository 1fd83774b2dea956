import { type Mac, printAddr, printCidr } from '@calico/ip';
import { finished } from '@calico/reconcile';
import { isAbsent, KernelError } from '../error.ts';
import type {
  Address,
  EventGroup,
  FdbEntry,
  Kernel,
  KernelEvent,
  Link,
  LinkChange,
  LinkSpec,
  Namespace,
  Neighbour,
  NeighbourFilter,
  PacketLogHandler,
  Route,
  RouteFilter,
  RouteKey,
  Subscription,
} from '../kernel.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import {
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NetlinkSocket,
  type NetlinkSocketOptions,
  STEP_BYTES,
} from '../netlink/socket.ts';
import { MessageWriter } from '../netlink/writer.ts';
import { openLinuxNftables } from '../nftables/linux.ts';
import type { Nftables } from '../nftables/types.ts';
import { decodeAddress, encodeDeleteAddress, encodeListAddresses, encodeReplaceAddress } from './address-codec.ts';
import { LinuxConntrack } from './conntrack.ts';
import {
  decodeLink,
  encodeCreateLink,
  encodeDeleteGroup,
  encodeDeleteLink,
  encodeGetLink,
  encodeGroupLink,
  encodeListLinks,
  encodeSetLink,
} from './link-codec.ts';
import { ambientNamespace, inNamespace } from './namespace.ts';
import {
  decodeFdbEntry,
  decodeNeighbour,
  encodeDeleteFdb,
  encodeDeleteNeighbour,
  encodeListFdb,
  encodeListNeighbours,
  encodeReplaceFdb,
  encodeReplaceNeighbour,
} from './neighbour-codec.ts';
import { logPackets } from './packet-log.ts';
import { decodeRoute, encodeDeleteRoute, encodeListRoutes, encodeReplaceRoute } from './route-codec.ts';
import { subscribe } from './subscribe.ts';
import { readSysctl, writeSysctl } from './sysctl.ts';

/**
 * Opens the network of a namespace, or of the one this thread is in. `namespace` must stay open as long as the kernel is
 * used. Throws KernelError.
 */
export function openKernel(options: { namespace?: Namespace } = {}): Kernel {
  const { namespace } = options;
  if (namespace !== undefined) return new LinuxKernel(namespace);
  const ambient = ambientNamespace();
  return new LinuxKernel(ambient, ambient);
}

type Encode = (w: MessageWriter) => void;

/** Netlink sockets are opened inside the namespace and used from outside; only sysctls need the thread to go in. */
class LinuxKernel implements Kernel {
  readonly nftables: Nftables;
  readonly conntrack: LinuxConntrack;
  readonly #namespace: Namespace;
  readonly #route: NetlinkSocket;
  readonly #others = new Set<{ close(): void }>();
  #conntrackSocket: NetlinkSocket | undefined;
  #nftablesPort: number | undefined;

  /** `owned` is closed with the kernel. */
  constructor(namespace: Namespace, owned?: Namespace) {
    this.#namespace = namespace;
    if (owned !== undefined) this.#others.add(owned);
    this.#route = inNamespace(namespace, () => new NetlinkSocket(NETLINK_ROUTE));
    this.nftables = openLinuxNftables({
      openSocket: options => {
        const socket = this.#netfilterSocket(options);
        // Dumps in steps have sockets of their own, which change nothing.
        if (options.receiveBytes === undefined) this.#nftablesPort = socket.port();
        return socket;
      },
    });
    this.conntrack = new LinuxConntrack(
      () => {
        this.#conntrackSocket ??= this.#netfilterSocket();
        return this.#conntrackSocket;
      },
      () => this.#netfilterSocket(),
    );
  }

  links(): Link[] {
    return this.#list('list links', encodeListLinks, decodeLink);
  }

  link(nameOrIndex: string | number): Link | undefined {
    try {
      const [reply] = this.#ask(`get link ${nameOrIndex}`, w => encodeGetLink(w, nameOrIndex));
      return reply && decodeLink(reply.payload);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  createLink(spec: LinkSpec): Link {
    const op = `create ${spec.kind} link ${spec.name}`;
    this.#ask(op, w => encodeCreateLink(w, spec));
    const link = this.link(spec.name);
    if (link === undefined) throw new KernelError(op, ENODEV, 'it was gone at once');
    return link;
  }

  setLink(index: number, change: LinkChange): void {
    this.#ask(`set link ${index}`, w => encodeSetLink(w, index, change));
  }

  deleteLink(index: number): void {
    this.#ask(`delete link ${index}`, w => encodeDeleteLink(w, index));
  }

  deleteLinks(indexes: readonly number[]): void {
    for (const index of indexes) {
      try {
        this.#ask(`put link ${index} into the group to delete`, w => encodeGroupLink(w, index, DOOMED));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
    try {
      this.#ask(`delete ${indexes.length} links`, w => encodeDeleteGroup(w, DOOMED));
    } catch (error) {
      if (!isAbsent(error)) throw error; // none is left
    }
  }

  addresses(link?: number): Address[] {
    return this.#list('list addresses', w => encodeListAddresses(w, link ?? 0), decodeAddress);
  }

  replaceAddress(address: Address): void {
    const op = `set address ${printCidr(address.address)} on link ${address.link}`;
    this.#ask(op, w => encodeReplaceAddress(w, address));
  }

  deleteAddress(address: Pick<Address, 'link' | 'address'>): void {
    const op = `delete address ${printCidr(address.address)} of link ${address.link}`;
    this.#ask(op, w => encodeDeleteAddress(w, address));
  }

  routes(filter: RouteFilter = {}): Route[] {
    return finished(this.#routes(filter, this.#route));
  }

  *routesInSteps(filter: RouteFilter = {}): Generator<void, Route[]> {
    return yield* this.#onOwnSocket(socket => this.#routes(filter, socket));
  }

  *#routes(filter: RouteFilter, socket: NetlinkSocket): Generator<void, Route[]> {
    try {
      const encode = (w: MessageWriter) => encodeListRoutes(w, filter.family, filter.table);
      return yield* this.#listInSteps('list routes', encode, decodeRoute, socket);
    } catch (error) {
      if (filter.table !== undefined && isAbsent(error)) return []; // the table exists from its first route on
      throw error;
    }
  }

  replaceRoute(route: Route): void {
    this.#ask(
      () => `set route ${routeText(route)}`,
      w => encodeReplaceRoute(w, route),
    );
  }

  deleteRoute(route: RouteKey): void {
    this.#ask(
      () => `delete route ${routeText(route)}`,
      w => encodeDeleteRoute(w, route),
    );
  }

  neighbours(filter: NeighbourFilter = {}): Neighbour[] {
    return finished(this.#neighbours(filter, this.#route));
  }

  *neighboursInSteps(filter: NeighbourFilter = {}): Generator<void, Neighbour[]> {
    return yield* this.#onOwnSocket(socket => this.#neighbours(filter, socket));
  }

  #neighbours({ family, link }: NeighbourFilter, socket: NetlinkSocket): Generator<void, Neighbour[]> {
    const encode = (w: MessageWriter) => encodeListNeighbours(w, family, link);
    return this.#listInSteps('list neighbours', encode, decodeNeighbour, socket);
  }

  replaceNeighbour(neighbour: Neighbour & { readonly mac: Mac }): void {
    const op = () => `set neighbour ${printAddr(neighbour.address)} on link ${neighbour.link}`;
    this.#ask(op, w => encodeReplaceNeighbour(w, neighbour));
  }

  deleteNeighbour(neighbour: Pick<Neighbour, 'link' | 'address'>): void {
    const op = () => `delete neighbour ${printAddr(neighbour.address)} of link ${neighbour.link}`;
    this.#ask(op, w => encodeDeleteNeighbour(w, neighbour));
  }

  fdb(link: number): FdbEntry[] {
    return finished(this.#fdb(link, this.#route));
  }

  *fdbInSteps(link: number): Generator<void, FdbEntry[]> {
    return yield* this.#onOwnSocket(socket => this.#fdb(link, socket));
  }

  *#fdb(link: number, socket: NetlinkSocket): Generator<void, FdbEntry[]> {
    const op = `list forwarding entries of link ${link}`;
    const entries = yield* this.#listInSteps(op, w => encodeListFdb(w, link), decodeFdbEntry, socket);
    return entries.filter(entry => entry.link === link);
  }

  replaceFdb(entry: FdbEntry): void {
    const op = () => `set forwarding entry ${entry.mac} via ${printAddr(entry.remote)} on link ${entry.link}`;
    this.#ask(op, w => encodeReplaceFdb(w, entry));
  }

  deleteFdb(entry: FdbEntry): void {
    const op = () => `delete forwarding entry ${entry.mac} of link ${entry.link}`;
    this.#ask(op, w => encodeDeleteFdb(w, entry));
  }

  sysctl(path: string): string {
    return inNamespace(this.#namespace, () => readSysctl(path));
  }

  setSysctl(path: string, value: string): void {
    inNamespace(this.#namespace, () => writeSysctl(path, value));
  }

  subscribe(groups: readonly EventGroup[], on: (event: KernelEvent) => void): Subscription {
    const subscription = subscribe(
      open => inNamespace(this.#namespace, open),
      groups,
      on,
      port => port === this.#nftablesPort,
    );
    this.#others.add(subscription);
    return subscription;
  }

  logPackets(group: number, handler: PacketLogHandler): Subscription {
    const subscription = logPackets(open => inNamespace(this.#namespace, open), group, handler);
    this.#others.add(subscription);
    return subscription;
  }

  close(): void {
    for (const closable of this.#others) closable.close();
    this.nftables.close();
    this.#conntrackSocket?.close();
    this.#route.close();
  }

  #netfilterSocket(options: NetlinkSocketOptions = {}): NetlinkSocket {
    return inNamespace(this.#namespace, () => new NetlinkSocket(NETLINK_NETFILTER, options));
  }

  /** `op` is asked only when the kernel refuses: addresses are long to print. */
  #ask(op: string | (() => string), encode: Encode): NetlinkMessage[] {
    const w = new MessageWriter(256);
    encode(w);
    if (typeof op === 'string') return this.#route.request(w.bytes(), op);
    try {
      return this.#route.request(w.bytes(), '');
    } catch (error) {
      if (error instanceof KernelError) throw new KernelError(op(), error.errno, error.extack);
      throw error;
    }
  }

  #list<T>(op: string, encode: Encode, decode: (payload: Uint8Array) => T | undefined): T[] {
    return finished(this.#listInSteps(op, encode, decode, this.#route));
  }

  #listInSteps<T>(
    op: string,
    encode: Encode,
    decode: (payload: Uint8Array) => T | undefined,
    socket: NetlinkSocket,
  ): Generator<void, T[]> {
    const w = new MessageWriter(64);
    encode(w);
    return socket.dumpInSteps(w.bytes(), op, ({ payload }) => decode(payload));
  }

  /** Between its steps other requests are answered on the kernel's own socket. */
  *#onOwnSocket<T>(work: (socket: NetlinkSocket) => Generator<void, T>): Generator<void, T> {
    const socket = inNamespace(this.#namespace, () => new NetlinkSocket(NETLINK_ROUTE, { receiveBytes: STEP_BYTES }));
    try {
      return yield* work(socket);
    } finally {
      socket.close();
    }
  }
}

const ENODEV = 19;
/** The link group of those about to be deleted; nobody else uses this number ('cali' in ASCII). */
const DOOMED = 0x63616c69;

function routeText(route: RouteKey): string {
  const via = route.gateway === undefined ? '' : ` via ${printAddr(route.gateway)}`;
  const link = route.link === undefined ? '' : ` link ${route.link}`;
  return `${printCidr(route.destination)}${via}${link} in table ${route.table}`;
}
