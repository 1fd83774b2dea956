import { BlockAffinity, IPAMBlock, IPAMHandle, type Kind, type Resource } from '@calico/api';
import { type Client, DatastoreError, hostnameHash } from '@calico/datastore';
import { Process } from './agent.ts';
import { rangeOf, toAddress, toNumber } from './ipv4.ts';
import type { Allocator } from './node.ts';
import type { Pod, World } from './world.ts';

const RETRIES = 30;
const CONFLICTS = new Set(['Conflict', 'AlreadyExists', 'NotFound']);

type Stored = IPAMBlock | BlockAffinity | IPAMHandle;

/** What a release asks for; the sequence number as the block has it. */
export interface CalicoRelease {
  readonly address: string;
  readonly handle: string;
  readonly sequenceNumber: string;
}

/**
 * A node as Calico's own IPAM runs it, written from the documented protocol and sharing nothing with our package: it
 * claims, borrows, releases and gives up blocks on the same keys. Every step is a read or a compare-and-swap.
 */
export class CalicoAgent extends Process implements Allocator {
  readonly #world: World;

  constructor(world: World, name: string) {
    super(world, name);
    this.#world = world;
  }

  async add(pod: Pod, handle: string): Promise<string[]> {
    const attributes = { pod: pod.name, namespace: 'default', node: pod.node };
    const own = await this.#affinitiesOf(pod.node);
    for (const affinity of own) {
      const block = await this.#blockFromAffinity(affinity);
      const address = block && (await this.#assign(block, handle, attributes, true));
      if (address !== undefined) return [address];
    }
    for (let i = 0; i < RETRIES; i++) {
      const blocks = (await this.client.list(IPAMBlock)).items.filter(({ spec }) => spec.deleted !== true);
      const free = this.#candidates().find(cidr => !blocks.some(({ spec }) => spec.cidr === cidr));
      if (free === undefined) break;
      const block = await this.#claim(pod.node, free);
      const address = block && (await this.#assign(block, handle, attributes, true));
      if (address !== undefined) return [address];
    }
    if (!this.#world.config.strictAffinity) {
      for (const cidr of this.#candidates()) {
        const block = await this.#read(IPAMBlock, nameOf(cidr));
        const address = block && (await this.#assign(block, handle, attributes, false));
        if (address !== undefined) return [address];
      }
    }
    throw Object.assign(new Error('No Free Blocks'), { code: 'NoAddress' });
  }

  async del(handle: string): Promise<void> {
    const found = await this.#read(IPAMHandle, handle);
    for (const cidr of Object.keys(found?.spec.block ?? {})) {
      await this.#release(cidr, block => {
        const ordinals = block.spec.allocations.flatMap((index, ordinal) =>
          index !== null && liveHandle(block, index) === handle ? [ordinal] : [],
        );
        return { ordinals, counts: new Map([[handle, ordinals.length]]) };
      });
    }
  }

  /** Releases addresses if handle and sequence number are as given; nothing of a block where one is not. */
  async releaseIps(cidr: string, requests: readonly CalicoRelease[]): Promise<void> {
    await this.#release(cidr, block => {
      const { first } = rangeOf(cidr);
      const counts = new Map<string, number>();
      const ordinals = requests.map(request => {
        const ordinal = toNumber(request.address) - first;
        const index = block.spec.allocations[ordinal] ?? null;
        const sequence = String(block.spec.sequenceNumberForAllocation?.[String(ordinal)]);
        if (index === null || liveHandle(block, index) !== request.handle || sequence !== request.sequenceNumber) {
          throw new DatastoreError({ code: 'Conflict', op: 'release', resource: request.address, reason: 'changed' });
        }
        counts.set(request.handle, (counts.get(request.handle) ?? 0) + 1);
        return ordinal;
      });
      return { ordinals, counts };
    });
  }

  /** Gives up a block: pendingDeletion, then the block without owner or deleted, then the affinity deleted. */
  async releaseAffinity(node: string, cidr: string, requireEmpty: boolean): Promise<void> {
    const affinity = await this.#read(BlockAffinity, affinityNameOf(node, cidr));
    const block = await this.#read(IPAMBlock, nameOf(cidr));
    if (block !== undefined && block.spec.affinity !== `host:${node}`) {
      if (affinity !== undefined) await this.#remove(BlockAffinity, affinity);
      return;
    }
    if (affinity === undefined) return;
    const empty = block === undefined || block.spec.allocations.every(index => index === null);
    if (requireEmpty && !empty) return;
    const leaving = await this.#setState(affinity, 'pendingDeletion');
    if (block !== undefined && empty) await this.#remove(IPAMBlock, block);
    else if (block !== undefined) {
      await this.#write({ ...block, spec: { ...block.spec, affinity: null, affinityClaimTime: null } });
    }
    await this.#remove(BlockAffinity, leaving);
  }

  /** All blocks of the enabled pools, as Calico walks them. */
  #candidates(): string[] {
    const pools = [...this.#world.pools.values()].filter(({ spec }) => spec.disabled !== true);
    return pools.flatMap(({ spec }) => {
      const { first, size } = rangeOf(spec.cidr);
      const step = 2 ** (32 - (spec.blockSize ?? 26));
      return Array.from({ length: size / step }, (_, i) => `${toAddress(first + i * step)}/${spec.blockSize ?? 26}`);
    });
  }

  async #affinitiesOf(node: string): Promise<BlockAffinity[]> {
    const candidates = new Set(this.#candidates());
    const { items } = await this.client.list(BlockAffinity);
    return items.filter(({ spec }) => spec.node === node && spec.deleted !== true && candidates.has(spec.cidr));
  }

  async #claim(node: string, cidr: string): Promise<IPAMBlock | undefined> {
    const name = affinityNameOf(node, cidr);
    try {
      let affinity: BlockAffinity | undefined;
      try {
        affinity = await this.client.create(BlockAffinity, {
          apiVersion: BlockAffinity.apiVersion,
          kind: 'BlockAffinity',
          metadata: { name, labels: labelsOf(node) },
          spec: { state: 'pending', node, type: 'host', cidr, deleted: false },
        });
      } catch (err) {
        if (codeOf(err) !== 'AlreadyExists') throw err;
        const found = await this.#read(BlockAffinity, name);
        affinity = found && (await this.#setState(found, 'pending'));
      }
      return affinity && (await this.#claimPending(affinity));
    } catch (err) {
      if (CONFLICTS.has(codeOf(err))) return undefined;
      throw err;
    }
  }

  async #claimPending(affinity: BlockAffinity): Promise<IPAMBlock | undefined> {
    const { cidr, node } = affinity.spec;
    try {
      const block = await this.client.create(IPAMBlock, newBlock(cidr, node, this.#world.wallTime));
      await this.#setState(affinity, 'confirmed');
      return block;
    } catch (err) {
      if (codeOf(err) !== 'AlreadyExists') throw err;
      const block = await this.#read(IPAMBlock, nameOf(cidr));
      if (block?.spec.affinity === `host:${node}`) {
        await this.#setState(affinity, 'confirmed');
        return block;
      }
      await this.#remove(BlockAffinity, affinity);
      return undefined;
    }
  }

  async #blockFromAffinity(affinity: BlockAffinity): Promise<IPAMBlock | undefined> {
    const { cidr, node, state } = affinity.spec;
    try {
      const block = await this.#read(IPAMBlock, nameOf(cidr));
      if (block === undefined) return await this.#claimPending(await this.#setState(affinity, 'pending'));
      if (block.spec.affinity !== `host:${node}`) {
        await this.#remove(BlockAffinity, affinity);
        return undefined;
      }
      if (state === 'confirmed' || state === '') return block;
      const pending = await this.#setState(affinity, 'pending');
      const written = await this.#write(block);
      await this.#setState(pending, 'confirmed');
      return written;
    } catch (err) {
      if (CONFLICTS.has(codeOf(err))) return undefined;
      throw err;
    }
  }

  /** Handle first, then the block by compare-and-swap; on a conflict all over again. */
  async #assign(
    read: IPAMBlock,
    handle: string,
    attributes: Record<string, string>,
    affine: boolean,
  ): Promise<string | undefined> {
    const { cidr } = read.spec;
    let block: IPAMBlock | undefined = read;
    for (let i = 0; i < RETRIES && block !== undefined; i++) {
      const [ordinal] = block.spec.unallocated;
      if (ordinal === undefined || (affine && block.spec.affinity !== `host:${attributes.node}`)) return undefined;
      await this.#count(handle, cidr, 1);
      try {
        await this.#write(allocated(block, ordinal, handle, attributes));
        return toAddress(rangeOf(cidr).first + ordinal);
      } catch (err) {
        if (!CONFLICTS.has(codeOf(err))) {
          // What may have been written is cleaned up as if it was not, as Calico does: the handle may then count too few.
          this.#world.uncounted.add(handle);
          await this.#count(handle, cidr, -1);
          throw err;
        }
        block = await this.#read(IPAMBlock, nameOf(cidr));
      }
    }
    return undefined;
  }

  async #release(
    cidr: string,
    choose: (block: IPAMBlock) => { ordinals: number[]; counts: ReadonlyMap<string, number> },
  ): Promise<void> {
    for (let i = 0; i < RETRIES; i++) {
      const block = await this.#read(IPAMBlock, nameOf(cidr));
      if (block === undefined) return;
      const { ordinals, counts } = choose(block);
      try {
        const after = freed(block, ordinals);
        if (after.spec.allocations.every(index => index === null) && (after.spec.affinity ?? null) === null) {
          await this.#remove(IPAMBlock, block);
        } else await this.#write(after);
      } catch (err) {
        if (CONFLICTS.has(codeOf(err))) continue;
        throw err;
      }
      for (const [handle, count] of counts) await this.#count(handle, cidr, -count);
      return;
    }
  }

  /** Changes what a handle counts in a block; below one it does not count the block, without blocks it is deleted. */
  async #count(handle: string, cidr: string, by: number): Promise<void> {
    for (let i = 0; i < RETRIES; i++) {
      try {
        const found = await this.#read(IPAMHandle, handle);
        if (found === undefined) {
          if (by > 0) await this.client.create(IPAMHandle, newHandle(handle, cidr, by));
          return;
        }
        const count = Math.max(0, (found.spec.block[cidr] ?? 0) + by);
        const { [cidr]: _, ...others } = found.spec.block;
        const blocks = count > 0 ? { ...others, [cidr]: count } : others;
        if (Object.keys(blocks).length === 0) await this.#remove(IPAMHandle, found);
        else await this.client.update(IPAMHandle, { ...found, spec: { ...found.spec, block: blocks } });
        return;
      } catch (err) {
        if (!CONFLICTS.has(codeOf(err))) throw err;
      }
    }
  }

  #setState(affinity: BlockAffinity, state: BlockAffinity['spec']['state']): Promise<BlockAffinity> {
    return this.client.update(BlockAffinity, { ...affinity, spec: { ...affinity.spec, state } });
  }

  #write(block: IPAMBlock): Promise<IPAMBlock> {
    const sequenceNumber = BigInt(block.spec.sequenceNumber ?? 0) + 1n;
    return this.client.update(IPAMBlock, { ...block, spec: { ...block.spec, sequenceNumber } });
  }

  async #read<R extends Stored>(kind: Kind<R>, name: string): Promise<R | undefined> {
    try {
      const found = await this.client.get(kind, { name });
      if (found.spec.deleted !== true) return found;
      await finishDelete(this.client, kind, found);
      return undefined;
    } catch (err) {
      if (codeOf(err) === 'NotFound') return undefined;
      throw err;
    }
  }

  async #remove<R extends Stored>(kind: Kind<R>, object: R): Promise<void> {
    const marked = await this.client.update(kind, { ...object, spec: { ...object.spec, deleted: true } });
    await finishDelete(this.client, kind, marked);
  }
}

async function finishDelete<R extends Resource>(client: Client, kind: Kind<R>, { metadata }: R): Promise<void> {
  const { name, uid = '', resourceVersion = '' } = metadata;
  try {
    await client.delete(kind, { name }, { uid, resourceVersion });
  } catch (err) {
    if (!CONFLICTS.has(codeOf(err))) throw err;
  }
}

function codeOf(err: unknown): string {
  // What may have been done is no conflict.
  return err instanceof DatastoreError && !err.outcomeUnknown ? err.code : '';
}

function nameOf(cidr: string): string {
  return cidr.replace(/[./]/g, '-');
}

function affinityNameOf(node: string, cidr: string): string {
  return `${node}-${nameOf(cidr)}`;
}

function labelsOf(node: string): Record<string, string> {
  return {
    'projectcalico.org/hostname-hash': hostnameHash(node),
    'projectcalico.org/affinity-type': 'host',
    'projectcalico.org/ip-version': '4',
  };
}

function liveHandle(block: IPAMBlock, index: number): string | undefined {
  const attribute = block.spec.attributes[index];
  return attribute?.releasedAt === undefined ? (attribute?.handle_id ?? undefined) : undefined;
}

function newBlock(cidr: string, node: string, wallTime: number): IPAMBlock {
  const { size } = rangeOf(cidr);
  return {
    apiVersion: IPAMBlock.apiVersion,
    kind: 'IPAMBlock',
    metadata: { name: nameOf(cidr) },
    spec: {
      cidr,
      affinity: `host:${node}`,
      affinityClaimTime: new Date(wallTime).toISOString(),
      allocations: Array.from({ length: size }, () => null),
      unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
      attributes: [],
      sequenceNumber: BigInt(wallTime) * 1_000_000n,
      sequenceNumberForAllocation: {},
      strictAffinity: false,
      deleted: false,
    },
  };
}

function newHandle(handle: string, cidr: string, count: number): IPAMHandle {
  return {
    apiVersion: IPAMHandle.apiVersion,
    kind: 'IPAMHandle',
    metadata: { name: handle },
    spec: { handleID: handle, block: { [cidr]: count }, deleted: false },
  };
}

function allocated(block: IPAMBlock, ordinal: number, handle: string, secondary: Record<string, string>): IPAMBlock {
  const { spec } = block;
  return {
    ...block,
    spec: {
      ...spec,
      allocations: spec.allocations.map((index, i) => (i === ordinal ? spec.attributes.length : index)),
      unallocated: spec.unallocated.filter(free => free !== ordinal),
      attributes: [...spec.attributes, { handle_id: handle, secondary }],
      sequenceNumberForAllocation: {
        ...spec.sequenceNumberForAllocation,
        [String(ordinal)]: spec.sequenceNumber ?? 0,
      },
    },
  };
}

/** Frees at once: the simulation's Calico runs without cooldown. */
function freed(block: IPAMBlock, ordinals: readonly number[]): IPAMBlock {
  const { spec } = block;
  const gone = new Set(ordinals);
  const left = spec.allocations.map((index, ordinal) => (gone.has(ordinal) ? null : index));
  const used = [...new Set(left.filter(index => index !== null))];
  const sequences = Object.entries(spec.sequenceNumberForAllocation ?? {});
  return {
    ...block,
    spec: {
      ...spec,
      allocations: left.map(index => (index === null ? null : used.indexOf(index))),
      unallocated: [...spec.unallocated, ...ordinals],
      attributes: used.map(index => spec.attributes[index] ?? {}),
      sequenceNumberForAllocation: Object.fromEntries(sequences.filter(([ordinal]) => !gone.has(Number(ordinal)))),
    },
  };
}
