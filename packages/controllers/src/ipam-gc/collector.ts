import type { BlockAffinity, IPAMBlock } from '@calico/api';
import { type Cidr, parseCidr } from '@calico/ip';
import { blockCidr, isEmpty, sequenceNumber } from '@calico/ipam';
import { type Allocation, allocationId, type BlockContent, blockContent } from './allocation.ts';
import { type ClusterView, type OwnerState, ownerState } from './owner-state.ts';

/** The shortest time for which addresses of virtual machines are suspects; ms. */
const VM_GRACE_MS = 300_000;

/** What the collector is told. */
export interface CollectorSettings {
  /** For how long an owner must be missing; ms. 0: suspects are noted, never released. undefined: not even noted. */
  readonly leakGracePeriodMs: number | undefined;
  /** How long released addresses rest before they are given out again; ms. */
  readonly cooldownMs: number;
}

/** An address to be given back. */
export interface Leak {
  readonly allocation: Allocation;
  /** Why, in words. */
  readonly reason: string;
  /** It counts as one because its node is gone; else its grace period has passed. */
  readonly nodeGone: boolean;
}

/** An empty block to be given up. */
export interface SpareBlock {
  readonly node: string;
  readonly cidr: Cidr;
  /** Only if the block was not written since. */
  readonly sequenceNumber: bigint;
}

/** What is to be done. Each step is by itself, and is asked for again while it is not done. */
export interface CollectorPlan {
  /** Addresses by handle: all of a handle or none, after one more look at each (`confirmLeak`). */
  readonly releases: ReadonlyMap<string, readonly Leak[]>;
  /** Nodes that are gone and have no address in use: their empty blocks are to be given up, after the releases. */
  readonly nodes: readonly string[];
  readonly spareBlocks: readonly SpareBlock[];
  /** Blocks with addresses that have rested long enough, to be written anew. */
  readonly cooled: readonly Cidr[];
}

interface Entry {
  readonly allocation: Allocation;
  /** When the owner was first found missing; undefined: it is not. */
  suspectSince: number | undefined;
  confirmed: boolean;
  nodeGone: boolean;
  reason: string;
}

interface Block {
  readonly cidr: Cidr;
  readonly content: BlockContent;
  readonly entries: ReadonlyMap<string, Entry>;
  /** The node that the block is affine to. */
  readonly node: string | undefined;
  readonly sequenceNumber: bigint;
  readonly empty: boolean;
}

/**
 * Finds the addresses that nobody has any more. Pure: it is told of blocks and affinities as they change, looks at the
 * cluster through a view, and says what is to be released and why. What it says depends on the present state and on
 * for how long it has seen owners missing; a new one starts all grace periods anew.
 */
export class IpamCollector {
  readonly #blocks = new Map<string, Block>();
  readonly #affinities = new Map<string, string>();
  readonly #byNode = new Map<string, Set<Entry>>();
  readonly #byHandle = new Map<string, Set<Entry>>();
  readonly #blocksOf = new Map<string, Set<string>>();
  readonly #affinitiesOf = new Map<string, Set<string>>();
  readonly #suspects = new Set<Entry>();
  readonly #emptySince = new Map<string, { readonly sequenceNumber: bigint; readonly since: number }>();
  readonly #cooling = new Set<string>();
  readonly #dirty = new Set<string>();

  /** A block is there, or changed. */
  setBlock(block: IPAMBlock): void {
    const { name } = block.metadata;
    if (block.spec.deleted === true) {
      this.deleteBlock(name);
      return;
    }
    const before = this.#blocks.get(name);
    const content = blockContent(block);
    const entries = new Map<string, Entry>();
    for (const allocation of content.allocations) {
      const id = allocationId(allocation);
      const known = before?.entries.get(id);
      if (known === undefined) this.#dirty.add(allocation.node);
      entries.set(id, known ?? { allocation, suspectSince: undefined, confirmed: false, nodeGone: false, reason: '' });
    }
    for (const [id, entry] of before?.entries ?? []) if (entries.get(id) !== entry) this.#forget(entry);
    for (const entry of entries.values()) this.#remember(entry);
    const [, node] = /^host:(.+)$/.exec(block.spec.affinity ?? '') ?? [];
    if (before?.node !== node) this.#leave(this.#blocksOf, before?.node, name);
    if (node !== undefined) join(this.#blocksOf, node, name);
    if (content.coolingSince === undefined) this.#cooling.delete(name);
    else this.#cooling.add(name);
    const empty = isEmpty(block);
    // With the last address of a node that is gone, its blocks can go.
    if (empty && node !== undefined && before?.empty !== true) this.#dirty.add(node);
    this.#blocks.set(name, {
      cidr: blockCidr(block),
      content,
      entries,
      node,
      sequenceNumber: sequenceNumber(block),
      empty,
    });
  }

  /** A block is gone. */
  deleteBlock(name: string): void {
    const before = this.#blocks.get(name);
    if (before === undefined) return;
    for (const entry of before.entries.values()) this.#forget(entry);
    this.#leave(this.#blocksOf, before.node, name);
    this.#cooling.delete(name);
    this.#emptySince.delete(name);
    this.#blocks.delete(name);
  }

  /** An affinity is there, or changed. */
  setAffinity({ metadata: { name }, spec }: BlockAffinity): void {
    this.deleteAffinity(name);
    if (spec.deleted === true || (spec.type ?? 'host') !== 'host' || parseCidr(spec.cidr) === undefined) return;
    this.#affinities.set(name, spec.node);
    join(this.#affinitiesOf, spec.node, name);
  }

  /** An affinity is gone. */
  deleteAffinity(name: string): void {
    this.#leave(this.#affinitiesOf, this.#affinities.get(name), name);
    this.#affinities.delete(name);
  }

  /** A node (by Calico's name) is to be looked at: one of its pods is gone, or a step for it failed. */
  markDirty(node: string): void {
    this.#dirty.add(node);
  }

  /** All nodes are to be looked at: from time to time, and when a node is gone. */
  markAllDirty(): void {
    for (const nodes of [this.#byNode, this.#blocksOf, this.#affinitiesOf]) {
      for (const node of nodes.keys()) this.#dirty.add(node);
    }
  }

  /** Looks at the nodes that need it. @param now ms of a clock that never goes back. @param wallTime ms since 1970. */
  collect(view: ClusterView, settings: CollectorSettings, now: number, wallTime: number): CollectorPlan {
    const nodes = [...this.#dirty].filter(node => this.#lookAt(node, view, settings, now));
    this.#dirty.clear();
    return {
      releases: this.#releases(),
      nodes,
      spareBlocks: this.#spareBlocks(view, settings, now),
      cooled: this.#cooled(settings, wallTime),
    };
  }

  /** One more look showed that the owner has the address: its grace period starts anew when it is missing again. */
  acquit({ allocation }: Leak): void {
    const entry = this.#blocks.get(allocation.block)?.entries.get(allocationId(allocation));
    if (entry !== undefined) this.#clear(entry);
    this.#dirty.add(allocation.node);
  }

  /** Addresses whose owners are missing, released soon or not. */
  get suspects(): readonly Allocation[] {
    return [...this.#suspects].map(({ allocation }) => allocation);
  }

  /** What is in the blocks, for metrics. */
  *blocks(): Iterable<{ readonly cidr: Cidr; readonly node: string | undefined; readonly content: BlockContent }> {
    yield* this.#blocks.values();
  }

  /** Judges a node's addresses; gives whether the node is gone and has none in use. */
  #lookAt(node: string, view: ClusterView, settings: CollectorSettings, now: number): boolean {
    const { state } = view.node(node);
    if (state === 'foreign') {
      for (const entry of this.#byNode.get(node) ?? []) this.#clear(entry);
      return false;
    }
    let inUse = false;
    const tunnels: Entry[] = [];
    for (const entry of this.#byNode.get(node) ?? []) {
      const found = ownerState(entry.allocation, view);
      if (found.state === 'tunnel') tunnels.push(entry);
      else if (found.state !== 'invalid') {
        inUse = true;
        this.#clear(entry);
      } else this.#suspect(entry, found, state === 'gone', settings, now);
    }
    const empty = state === 'gone' && !inUse;
    for (const tunnel of tunnels) {
      if (empty) this.#confirm(tunnel, 'the node does not exist', now);
      else this.#clear(tunnel);
    }
    return empty && (this.#blocksOf.has(node) || this.#affinitiesOf.has(node));
  }

  #suspect(
    entry: Entry,
    { reason }: OwnerState & { state: 'invalid' },
    nodeGone: boolean,
    { leakGracePeriodMs: grace }: CollectorSettings,
    now: number,
  ): void {
    if (nodeGone) {
      this.#confirm(entry, `the node does not exist, and ${reason}`, now);
      return;
    }
    if (grace === undefined) {
      this.#clear(entry);
      return;
    }
    entry.suspectSince ??= now;
    entry.reason = reason;
    entry.nodeGone = false;
    this.#suspects.add(entry);
    const isVm = entry.allocation.owners.some(({ kind }) => kind === 'vm');
    const bound = isVm ? Math.max(grace, VM_GRACE_MS) : grace;
    entry.confirmed = grace > 0 && now - entry.suspectSince > bound;
  }

  #confirm(entry: Entry, reason: string, now: number): void {
    entry.suspectSince ??= now;
    entry.confirmed = true;
    entry.nodeGone = true;
    entry.reason = reason;
    this.#suspects.add(entry);
  }

  #clear(entry: Entry): void {
    entry.suspectSince = undefined;
    entry.confirmed = false;
    this.#suspects.delete(entry);
  }

  #releases(): Map<string, Leak[]> {
    const releases = new Map<string, Leak[]>();
    for (const { allocation, confirmed } of this.#suspects) {
      if (!confirmed || releases.has(allocation.handle)) continue;
      const all = [...(this.#byHandle.get(allocation.handle) ?? [])];
      if (all.every(entry => entry.confirmed)) {
        releases.set(
          allocation.handle,
          all.map(({ allocation, reason, nodeGone }) => ({ allocation, reason, nodeGone })),
        );
      }
    }
    return releases;
  }

  #spareBlocks(view: ClusterView, { leakGracePeriodMs: grace }: CollectorSettings, now: number): SpareBlock[] {
    const spare: SpareBlock[] = [];
    for (const [node, names] of this.#blocksOf) {
      let left = names.size;
      const { state, migrating = false } = view.node(node);
      for (const name of names) {
        const block = this.#blocks.get(name);
        if (block === undefined || !block.empty) {
          this.#emptySince.delete(name);
          continue;
        }
        const { cidr, sequenceNumber } = block;
        const known = this.#emptySince.get(name);
        const since = known?.sequenceNumber === sequenceNumber ? known.since : now;
        this.#emptySince.set(name, { sequenceNumber, since });
        if (!grace || now - since <= grace || left <= 1 || state !== 'present' || migrating) continue;
        spare.push({ node, cidr, sequenceNumber });
        left--;
      }
    }
    return spare;
  }

  #cooled({ cooldownMs }: CollectorSettings, wallTime: number): Cidr[] {
    return [...this.#cooling].flatMap(name => {
      const block = this.#blocks.get(name);
      const since = block?.content.coolingSince;
      return block !== undefined && since !== undefined && since + cooldownMs <= wallTime ? [block.cidr] : [];
    });
  }

  #remember(entry: Entry): void {
    join(this.#byNode, entry.allocation.node, entry);
    join(this.#byHandle, entry.allocation.handle, entry);
  }

  #forget(entry: Entry): void {
    this.#leave(this.#byNode, entry.allocation.node, entry);
    this.#leave(this.#byHandle, entry.allocation.handle, entry);
    this.#suspects.delete(entry);
    this.#dirty.add(entry.allocation.node);
  }

  /** Takes something out of a group, and the group away with the last one. */
  #leave<T>(groups: Map<string, Set<T>>, key: string | undefined, member: T): void {
    if (key === undefined) return;
    const group = groups.get(key);
    group?.delete(member);
    if (group?.size === 0) groups.delete(key);
  }
}

function join<T>(groups: Map<string, Set<T>>, key: string, member: T): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([member]));
  else group.add(member);
}

/**
 * The last look at a leak before it is released, at a cluster read anew (not from watches). `kept`: something has come
 * back, and no address of the handle may be released.
 */
export function confirmLeak({ allocation, nodeGone }: Leak, view: ClusterView): 'leaked' | 'kept' {
  const { state } = view.node(allocation.node);
  if (state === 'foreign' || (nodeGone && state !== 'gone')) return 'kept';
  const owner = ownerState(allocation, view).state;
  return owner === 'invalid' || (owner === 'tunnel' && nodeGone) ? 'leaked' : 'kept';
}
