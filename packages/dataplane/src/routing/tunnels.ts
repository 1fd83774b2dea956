import type { HostInfo, Message, PoolInfo, Vtep } from '@calico/calc';
import { type Addr, type Family, parseAddr, parseCidr, printAddr } from '@calico/ip';
import type { FdbEntry, Kernel, Link, Neighbour } from '@calico/kernel';
import { ClaimedTable } from './claimed-table.ts';
import { type RoutingConfig, vxlanDevice } from './routing-config.ts';
import {
  ensureVxlanDevice,
  linkWithAddress,
  removeVxlanDevice,
  type TunnelEnd,
  tunnelEnd,
  unlessAbsent,
} from './vxlan.ts';

const families = [4, 6] as const;

type PermanentNeighbour = Neighbour & { readonly mac: string };

/** A device with the ways to the other nodes' ends. */
interface Device {
  readonly link: number;
  readonly neighbours: ClaimedTable<PermanentNeighbour>;
  readonly fdb: ClaimedTable<FdbEntry>;
}

/**
 * The VXLAN devices, and a permanent neighbour and forwarding entry on them for every other node. A node that comes or goes
 * costs its own entries; what the devices themselves depend on has them looked at as a whole.
 */
export class Tunnels {
  readonly #kernel: Kernel;
  #config: RoutingConfig;
  readonly #vteps = new Map<string, Vtep>();
  readonly #pools = new Map<string, PoolInfo>();
  /** This node's addresses. */
  #own: HostInfo | undefined;
  readonly #devices = new Map<Family, Device>();
  readonly #parents = new Map<Family, number>();
  readonly #dirtyNodes = new Set<string>();
  #devicesDirty = true;
  #linksChanged = false;

  constructor(kernel: Kernel, config: RoutingConfig) {
    this.#kernel = kernel;
    this.#config = config;
  }

  /** Index of the VXLAN device of the family while it exists. */
  link(family: Family): number | undefined {
    return this.#devices.get(family)?.link;
  }

  /** Index of the interface that holds this node's address of the family. */
  parent(family: Family): number | undefined {
    return this.#parents.get(family);
  }

  vtep(node: string): Vtep | undefined {
    return this.#vteps.get(node);
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    switch (message.kind) {
      case 'vtepUpdate':
        this.#vteps.set(message.vtep.node, message.vtep);
        this.#nodeChanged(message.vtep.node);
        return;
      case 'vtepRemove':
        this.#vteps.delete(message.node);
        this.#nodeChanged(message.node);
        return;
      case 'hostUpdate':
        if (message.host.name !== this.#config.nodeName) return;
        this.#own = message.host;
        this.#devicesDirty = true;
        return;
      case 'hostRemove':
        if (message.name !== this.#config.nodeName) return;
        this.#own = undefined;
        this.#devicesDirty = true;
        return;
      case 'poolUpdate':
        this.#pools.set(message.pool.cidr, message.pool);
        this.#devicesDirty = true;
        return;
      case 'poolRemove':
        this.#pools.delete(message.cidr);
        this.#devicesDirty = true;
        return;
    }
  }

  /** An interface that is none of a workload came, went or changed. */
  linkChanged({ index, name }: Pick<Link, 'index' | 'name'>): void {
    const used = families.some(family => this.link(family) === index || this.parent(family) === index);
    const isTunnel = name === vxlanDevice[4] || name === vxlanDevice[6];
    const isAwaited = families.some(family => this.#ownAddress(family) !== undefined && !this.#parents.has(family));
    if (!(used || isTunnel || isAwaited)) return;
    this.#linksChanged = true;
    this.resync();
  }

  /** Whether a device or parent is another than at the last call, or was changed: what leads through it may have gone. */
  takeLinksChanged(): boolean {
    const changed = this.#linksChanged;
    this.#linksChanged = false;
    return changed;
  }

  /** Has the next `applyInSteps` make the devices as another configuration wants them. */
  reconfigure(config: RoutingConfig): void {
    this.#config = config;
    this.#devicesDirty = true;
  }

  /** Has the next `applyInSteps` look at the devices, and at every entry on them. */
  resync(): void {
    this.#devicesDirty = true;
    for (const { neighbours, fdb } of this.#devices.values()) {
      neighbours.forget();
      fdb.forget();
    }
  }

  /** Compares the entries on the devices with the kernel, in steps; gives how many the next `applyInSteps` will write. */
  *compareInSteps(): Generator<void, number> {
    let drift = 0;
    this.#devicesDirty = true;
    for (const [family, { link, neighbours, fdb }] of [...this.#devices]) {
      drift += yield* neighbours.compareInSteps(this.#readNeighbours(link, family));
      drift += yield* fdb.compareInSteps(this.#readFdb(link));
    }
    return drift;
  }

  /** Writes what has changed, in steps. Throws KernelError; the next call tries again. */
  *applyInSteps(): Generator<void, void> {
    if (this.#devicesDirty) this.#applyDevices();
    this.#devicesDirty = false;
    for (const node of this.#dirtyNodes) {
      for (const [family, device] of this.#devices) this.#claim(node, family, device);
      yield;
    }
    this.#dirtyNodes.clear();
    for (const [family, { link, neighbours, fdb }] of this.#devices) {
      if (!neighbours.isRead) neighbours.read(yield* this.#readNeighbours(link, family));
      yield* neighbours.applyInSteps();
      if (!fdb.isRead) fdb.read(yield* this.#readFdb(link));
      yield* fdb.applyInSteps();
    }
  }

  #nodeChanged(node: string): void {
    if (node === this.#config.nodeName) this.#devicesDirty = true;
    else this.#dirtyNodes.add(node);
  }

  #applyDevices(): void {
    for (const family of families) {
      const own = tunnelEnd(this.#vteps.get(this.#config.nodeName), family);
      const link = this.#overlayWanted(family)
        ? ensureVxlanDevice(this.#kernel, family, own, this.#config)
        : removeVxlanDevice(this.#kernel, family);
      if (link !== this.link(family)) {
        this.#linksChanged = true;
        if (link === undefined) this.#devices.delete(family);
        else this.#addDevice(family, link);
      }
      const address = this.#ownAddress(family);
      const parent = address && linkWithAddress(this.#kernel, address)?.index;
      if (parent === this.parent(family)) continue;
      this.#linksChanged = true;
      if (parent === undefined) this.#parents.delete(family);
      else this.#parents.set(family, parent);
    }
  }

  #addDevice(family: Family, link: number): void {
    const device: Device = {
      link,
      neighbours: new ClaimedTable({
        same: (present, wanted) => present.mac === wanted.mac,
        write: wanted => {
          this.#kernel.replaceNeighbour(wanted);
          return true;
        },
        remove: present => unlessAbsent(() => this.#kernel.deleteNeighbour(present)),
        before: (source, other) => source < other,
      }),
      fdb: new ClaimedTable({
        same: (present, wanted) => present.remote.value === wanted.remote.value,
        write: wanted => {
          this.#kernel.replaceFdb(wanted);
          return true;
        },
        remove: present => unlessAbsent(() => this.#kernel.deleteFdb(present)),
        before: (source, other) => source < other,
      }),
    };
    this.#devices.set(family, device);
    for (const node of this.#vteps.keys()) this.#dirtyNodes.add(node);
  }

  #claim(node: string, family: Family, { link, neighbours, fdb }: Device): void {
    const end = node === this.#config.nodeName ? undefined : tunnelEnd(this.#vteps.get(node), family);
    neighbours.claim(node, end === undefined ? [] : [neighbourOf(link, end)]);
    fdb.claim(node, end === undefined ? [] : [fdbEntryOf(link, end)]);
  }

  /** The kernel's own neighbours, which are not permanent, are none of ours. */
  *#readNeighbours(link: number, family: Family): Generator<void, (readonly [string, PermanentNeighbour])[]> {
    const all = yield* this.#kernel.neighboursInSteps({ link, family });
    return all.flatMap(neighbour => {
      const { permanent, mac, address } = neighbour;
      return permanent && mac !== undefined ? [[printAddr(address), { ...neighbour, mac }] as const] : [];
    });
  }

  *#readFdb(link: number): Generator<void, (readonly [string, FdbEntry])[]> {
    return (yield* this.#kernel.fdbInSteps(link)).map(entry => [entry.mac, entry] as const);
  }

  #ownAddress(family: Family): Addr | undefined {
    return parseAddr((family === 4 ? this.#own?.ipv4 : this.#own?.ipv6) ?? '');
  }

  #overlayWanted(family: Family): boolean {
    return [...this.#pools.values()].some(
      pool => pool.vxlanMode !== 'Never' && parseCidr(pool.cidr)?.addr.family === family,
    );
  }
}

function neighbourOf(link: number, { tunnel, mac }: TunnelEnd): readonly [string, PermanentNeighbour] {
  return [printAddr(tunnel), { link, address: tunnel, mac, permanent: true }];
}

function fdbEntryOf(link: number, { mac, parent }: TunnelEnd): readonly [string, FdbEntry] {
  return [mac, { link, mac, remote: parent }];
}
