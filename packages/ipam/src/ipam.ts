import { type IPAMBlock, type IPAMConfiguration, Node } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import {
  type Addr,
  type Cidr,
  cidr,
  cidrContains,
  cidrCovers,
  type Family,
  hostCidr,
  maskCidr,
  nthAddr,
  ordinalOf,
  printAddr,
  printCidr,
} from '@calico/ip';
import type { Clock, Random } from '@calico/reconcile';
import type { Labels } from '@calico/selector';
import { Affinities } from './affinities.ts';
import { Assignment } from './assignment.ts';
import { AutoAssign, type FamilyResult } from './auto-assign.ts';
import { blockCidr, collectCooled, ordinalsOfHandle, renew, stateOf } from './block.ts';
import type { BlockCell } from './block-cell.ts';
import { BlockCells } from './block-cells.ts';
import { blocksFrom } from './block-order.ts';
import { type BlockClaim, BlockReleases } from './block-releases.ts';
import { checkIpam, type Finding } from './check.ts';
import { changeConfiguration, readConfiguration } from './configuration.ts';
import { IpamError, isIpamError } from './error.ts';
import { Handles, Surplus } from './handles.ts';
import type { Logger } from './log.ts';
import { type Owner, printOwner } from './owner.ts';
import { changeOwners, type OwnerChange } from './owner-attributes.ts';
import { OwnerBlocks } from './owner-blocks.ts';
import {
  allowsUse,
  choosePools,
  type IntendedUse,
  needsNodeLabels,
  type Pool,
  poolOfAddress,
  poolOfBlock,
} from './pools.ts';
import { type ReleaseRequest, Releases } from './releases.ts';
import type {
  AssignIpRequest,
  AutoAssignRequest,
  AutoAssignResult,
  ClaimedAffinities,
  EnsureBlockRequest,
  Lookup,
  ReleaseAffinityRequest,
  TunnelRequest,
} from './requests.ts';
import { AGAIN, retrying } from './retry.ts';
import { type Settings, type SettingsSource, storedSettings } from './settings.ts';
import { IpamStore } from './store.ts';
import { ensureTunnelAddress } from './tunnel-address.ts';
import { labelAffinities } from './upgrade.ts';
import { type Usage, usageOf } from './usage.ts';

/** What IPAM needs of the world. */
export interface IpamDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Logger;
  /** Where pools, configuration and reservations come from; by default they are read on each call. */
  readonly settings?: SettingsSource;
}

/** The node under which load balancer addresses are kept. */
const LOAD_BALANCER: Owner = { type: 'virtual', name: 'load-balancer' };

/**
 * Who has which address, in blocks that nodes take from pools. All is written by compare-and-swap, so any number of
 * these may work on one datastore. When a call rejects with a DatastoreError, addresses may have been assigned:
 * `releaseByHandle` is the way back.
 */
export class Ipam {
  readonly #client: Client;
  readonly #settings: SettingsSource;
  readonly #store: IpamStore;
  readonly #cells: BlockCells;
  readonly #handles: Handles;
  readonly #affinities: Affinities;
  readonly #assignment: Assignment;
  readonly #autoAssign: AutoAssign;
  readonly #releases: Releases;
  readonly #blockReleases: BlockReleases;
  readonly #clock: Clock;
  readonly #owners = new Map<string, OwnerBlocks>();

  constructor(deps: IpamDeps) {
    const { client, clock, random, log } = deps;
    this.#client = client;
    this.#clock = clock;
    this.#settings = deps.settings ?? storedSettings(client);
    this.#store = new IpamStore(client);
    this.#cells = new BlockCells(this.#store);
    this.#handles = new Handles(this.#store);
    this.#affinities = new Affinities(this.#store, clock);
    const parts = { store: this.#store, cells: this.#cells, affinities: this.#affinities, handles: this.#handles };
    this.#releases = new Releases({ ...parts, clock, log });
    this.#assignment = new Assignment({ ...parts, releases: this.#releases, clock, random, log });
    this.#autoAssign = new AutoAssign({ ...parts, assignment: this.#assignment, clock, random, log });
    this.#blockReleases = new BlockReleases({ ...parts, blocksOf: this.#blocksOf.bind(this), log });
  }

  /** Gives out addresses, IPv4 first. Rejects with NoPool when no pool may serve the request, HandleExists if that matters. */
  async autoAssign(request: AutoAssignRequest): Promise<AutoAssignResult> {
    const [settings] = await Promise.all([this.#settings.read(), this.#loadBlocksFor(request)]);
    const nodeLabels = await this.#labelsOf(request, settings);
    const ipv4 = await this.#family(4, request, settings, nodeLabels);
    // Whoever got an IPv4 address made the handle.
    const rest = ipv4.addresses.length > 0 ? { ...request, newHandle: false } : request;
    const ipv6 = await this.#family(6, rest, settings, nodeLabels);
    return { ipv4: ipv4.addresses, ipv6: ipv6.addresses, notes: [...ipv4.notes, ...ipv6.notes] };
  }

  /** What is known of the owner's blocks does not depend on the settings. */
  async #loadBlocksFor({ node, intendedUse, ipv4, ipv6 }: AutoAssignRequest): Promise<void> {
    const owner = ownerOf(node, intendedUse);
    const families = [...(ipv4 > 0 ? [4 as const] : []), ...(ipv6 > 0 ? [6 as const] : [])];
    await Promise.all(families.map(family => this.#blocksOf(owner, family).load()));
  }

  async #family(
    family: Family,
    request: AutoAssignRequest,
    settings: Settings,
    nodeLabels: Labels,
  ): Promise<FamilyResult> {
    const count = family === 4 ? request.ipv4 : request.ipv6;
    if (count <= 0) return { addresses: [], notes: [] };
    const pools = choosePools(settings.pools, {
      family,
      use: request.intendedUse,
      requested: family === 4 ? request.pools4 : request.pools6,
      nodeLabels,
      namespaceLabels: request.namespace?.labels,
    });
    const { handle, attributes, maxBlocks = 0, maxPerHandle = 0, newHandle = false } = request;
    const own = this.#blocksOf(ownerOf(request.node, request.intendedUse), family);
    const wanted = {
      ...{ family, count, handle, attributes, pools, settings, nodeLabels },
      ...{ maxBlocks, maxPerHandle, newHandle },
    };
    if (maxPerHandle === 0) return await this.#autoAssign.assign(wanted, own);
    return await retrying(`assign to handle "${handle}"`, async () => {
      const held = (await this.addressesByHandle(handle)).filter(({ addr }) => addr.family === family);
      if (held.length >= count) return { addresses: held.slice(0, count), notes: [] };
      try {
        const more = await this.#autoAssign.assign({ ...wanted, count: count - held.length }, own);
        return { addresses: [...held, ...more.addresses], notes: more.notes };
      } catch (err) {
        if (!isIpamError(err, 'HandleFull')) throw err;
        // It may count what a crash left, or what another is about to get: either is clear once it is settled.
        await this.settleHandle(handle);
        return AGAIN;
      }
    });
  }

  /**
   * Gives out one particular address, whatever selectors and reservations say; takes or borrows its block. Rejects with
   * NoPool, with AlreadyExists when it is in use or cooling, with Conflict when affinity is strict and the block another's.
   */
  async assignIp(request: AssignIpRequest): Promise<void> {
    const { address, handle, attributes, node, intendedUse, reuse = false, maxPerHandle } = request;
    const settings = await this.#settings.read();
    const { config, reservations } = settings;
    const pool = poolOfAddress(settings.pools, address);
    const what = `Cannot assign ${printAddr(address)}`;
    if (pool === undefined || !pool.enabled) throw new IpamError('NoPool', `${what}: no enabled pool has it`);
    if (intendedUse !== undefined && !allowsUse(pool, intendedUse)) {
      throw new IpamError(
        'NoPool',
        `${what}: pool "${pool.name}" does not have "${intendedUse}" among its allowedUses`,
      );
    }
    const owner = ownerOf(node, intendedUse);
    const own = this.#blocksOf(owner, address.family);
    const cell = this.#cells.of(maskCidr({ addr: address, length: pool.blockSize }));
    const ordinal = Number(ordinalOf(cell.cidr, address));
    const strict = config.strictAffinity ? { affinity: printOwner(owner) } : {};
    const wanted = {
      handle,
      attributes,
      reservations,
      cooldownSeconds: config.ipCooldownSeconds,
      maxPerHandle,
      surplus: new Surplus(),
      ...strict,
    };
    const assign = retrying(`assign ${printAddr(address)}`, async () => {
      // Somebody else may be first with the block: then it is borrowed from.
      if ((await cell.load()) === undefined && (await own.claim(cell.cidr)) === undefined) await cell.load();
      try {
        await this.#assignment.takeOrdinal(cell, ordinal, wanted);
        return undefined;
      } catch (err) {
        if (isIpamError(err, 'NotFound')) return AGAIN;
        if (!reuse || !isIpamError(err, 'AlreadyExists')) throw err;
        const found = await this.lookup(address);
        if (found.handle?.toLowerCase() === handle.toLowerCase()) return undefined;
        throw err;
      }
    });
    await assign.finally(() => this.#assignment.settle(wanted));
  }

  /**
   * Releases all addresses of a handle, and the handle. Rejects with NotFound when there is no such handle. `onFreed` is told as
   * soon as the addresses are nobody's, and waited for: who ends there leaves a handle that counts too many.
   */
  async releaseByHandle(handle: string, onFreed?: () => void | Promise<void>): Promise<void> {
    const settings = await this.#settings.read();
    await this.#tidy(await this.#releases.byHandle(handle, settings.config.ipCooldownSeconds, onFreed), settings);
  }

  /**
   * Releases addresses; gives those that nobody had. Rejects with Conflict when one has another handle or sequence
   * number than asked for; then all of its block are kept.
   */
  async releaseIps(requests: readonly ReleaseRequest[]): Promise<Addr[]> {
    const settings = await this.#settings.read();
    const { unallocated, blocks } = await this.#releases.addresses(requests, settings);
    await this.#tidy(blocks, settings);
    return unallocated;
  }

  /** The addresses of a handle, as /32 and /128; none when there is no such handle. */
  async addressesByHandle(handle: string): Promise<Cidr[]> {
    const found = await this.#handles.read(handle);
    const cidrs = Object.keys(found?.spec.block ?? {}).map(text => cidr(text));
    const blocks = await Promise.all(cidrs.map(block => this.#store.block(block)));
    return blocks.flatMap(block => {
      if (block === undefined) return [];
      return ordinalsOfHandle(block, handle).map(ordinal => hostCidr(nthAddr(blockCidr(block), ordinal)));
    });
  }

  /** Whose an address is. Rejects with NotFound when nobody's, with InCooldown when it was released a short while ago. */
  async lookup(address: Addr): Promise<Lookup> {
    const cell = await this.#cellOf(address, (await this.#settings.read()).pools);
    const block = cell && (await this.#store.block(cell.cidr));
    const found = block && stateOf(block, address);
    const what = `Cannot look up ${printAddr(address)}`;
    if (block === undefined || found === undefined || found.state === 'free') {
      throw new IpamError('NotFound', `${what}: it is not assigned`);
    }
    if (found.state === 'cooling') throw new IpamError('InCooldown', `${what}: it was released at ${found.releasedAt}`);
    const { handle, attributes, alternateAttributes, sequenceNumber } = found;
    return { handle, attributes, alternateAttributes, sequenceNumber, block: blockCidr(block) };
  }

  /** Notes other owners of an address, as while a virtual machine moves. Rejects with NotFound, and Conflict as expected. */
  async setOwnerAttributes(address: Addr, handle: string, change: OwnerChange): Promise<void> {
    const cell = await this.#cellOf(address, (await this.#settings.read()).pools);
    if (cell === undefined) {
      throw new IpamError('NotFound', `Cannot change the owners of ${printAddr(address)}: no block has it`);
    }
    const ordinal = Number(ordinalOf(cell.cidr, address));
    await cell.submit({
      apply: before => ({
        block: changeOwners(before, ordinal, handle, change),
        result: undefined,
        landed: () => undefined,
      }),
    });
  }

  /** The cell of the block that has an address: by the pools' block sizes, else by looking at all blocks. */
  async #cellOf(address: Addr, pools: readonly Pool[]): Promise<BlockCell | undefined> {
    const pool = poolOfAddress(pools, address);
    if (pool !== undefined) return this.#cells.of(maskCidr({ addr: address, length: pool.blockSize }));
    const found = (await this.#store.blocks()).find(block => cidrContains(blockCidr(block), address));
    return found && this.#cells.of(blockCidr(found));
  }

  /** Makes sure that a node has a block of each family, and takes no address. Rejects with NoPool and NoAddress. */
  async ensureBlock(request: EnsureBlockRequest): Promise<Cidr[]> {
    const { families, node, maxBlocks = 0, pools4, pools6 } = request;
    const settings = await this.#settings.read();
    const nodeLabels = await this.#labelsOf({ ...request, intendedUse: 'Workload' }, settings);
    const ensured: Cidr[] = [];
    for (const family of families) {
      const requested = family === 4 ? pools4 : pools6;
      const pools = choosePools(settings.pools, { family, use: 'Workload', requested, nodeLabels });
      const none = { count: 0, handle: '', attributes: {}, maxPerHandle: 0 };
      const wanted = { ...none, family, pools, settings, nodeLabels, maxBlocks };
      const block = await this.#autoAssign.ensureBlock(wanted, this.#blocksOf(hostOwner(node), family));
      if (typeof block === 'string') {
        throw new IpamError('NoAddress', `Cannot give node "${node}" an IPv${family} block: ${block}`);
      }
      ensured.push(block);
    }
    return ensured;
  }

  /** Takes all blocks of a CIDR for a node, whatever limits say; those of others are not taken. Rejects with NoPool. */
  async claimAffinity(range: Cidr, node: string): Promise<ClaimedAffinities> {
    const { pools } = await this.#settings.read();
    const pool = pools.find(candidate => candidate.enabled && cidrCovers(candidate.cidr, range));
    if (pool === undefined || range.length > pool.blockSize) {
      const reason = pool === undefined ? 'no enabled pool covers it' : `blocks of its pool are /${pool.blockSize}`;
      throw new IpamError('NoPool', `Cannot claim ${printCidr(range)} for "${node}": ${reason}`);
    }
    const own = this.#blocksOf(hostOwner(node), range.addr.family);
    const result: ClaimedAffinities = { claimed: [], failed: [] };
    for (const block of blocksFrom({ ...pool, cidr: range }, 0n)) {
      const cell = await own.claim(block);
      (cell === undefined ? result.failed : result.claimed).push(block);
    }
    return result;
  }

  /**
   * Gives up a node's blocks, or one of them: deleted when empty, else left without owner. With requireEmpty, one in use
   * is kept and rejects with NotEmpty; the others are given up first.
   */
  async releaseAffinity(request: ReleaseAffinityRequest): Promise<void> {
    const { node, type = 'host', cidr: range, requireEmpty, sequenceNumber } = request;
    const { config } = await this.#settings.read();
    const owner: Owner = node === LOAD_BALANCER.name ? LOAD_BALANCER : { type, name: node };
    const claims = range === undefined ? await this.#blockReleases.claimsOf(owner) : await this.#claimsOf(owner, range);
    await this.#blockReleases.release(claims, {
      requireEmpty,
      cooldownSeconds: config.ipCooldownSeconds,
      ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
    });
  }

  /** The claims of an owner within a CIDR. One block needs no look at the others. */
  async #claimsOf(owner: Owner, range: Cidr): Promise<readonly BlockClaim[]> {
    const { pools } = await this.#settings.read();
    if (range.length >= (poolOfBlock(pools, range)?.blockSize ?? range.length)) return [{ owner, cidr: range }];
    return (await this.#blockReleases.claimsOf(owner)).filter(({ cidr: block }) => cidrCovers(range, block));
  }

  /** Gives up all blocks in a pool, whosever they are; those in use are left without owner. */
  async releasePoolAffinities(pool: Cidr): Promise<void> {
    const { config } = await this.#settings.read();
    const claims = await this.#blockReleases.claimsIn(pool);
    await this.#blockReleases.release(claims, { requireEmpty: false, cooldownSeconds: config.ipCooldownSeconds });
  }

  /** Labels a node's affinities that an old Calico wrote without, so that they are listed; to be called when a node starts. */
  async upgradeNode(node: string): Promise<void> {
    await labelAffinities(this.#store, hostOwner(node));
  }

  /** Frees the addresses of a block that have cooled long enough; otherwise they are freed with its next write. */
  async freeCooled(block: Cidr): Promise<void> {
    const { config } = await this.#settings.read();
    try {
      await this.#cells.of(block).submit({
        apply: before => ({
          block: collectCooled(before, this.#clock.wallTime(), config.ipCooldownSeconds),
          result: undefined,
          landed: () => undefined,
        }),
      });
    } catch (err) {
      if (!isIpamError(err, 'NotFound')) throw err;
    }
  }

  /** How addresses are given out, as stored; the defaults when nothing is. */
  configuration(): Promise<IPAMConfiguration['spec']> {
    return readConfiguration(this.#client);
  }

  /** Changes how addresses are given out. Rejects with Invalid when the fields contradict each other. */
  configure(changes: Partial<IPAMConfiguration['spec']>): Promise<IPAMConfiguration['spec']> {
    return changeConfiguration(this.#client, changes);
  }

  /**
   * The address of a node's tunnel: the one it has, while a fitting pool has it, else a new one; undefined, and none kept,
   * when no pool wants such a tunnel. Whether WireGuard runs on the node, and noting the address there, is the caller's.
   */
  async ensureTunnelAddress(request: TunnelRequest): Promise<Addr | undefined> {
    const settings = await this.#settings.read();
    const nodeLabels = await this.#labelsOf({ ...request, intendedUse: 'Tunnel' }, settings);
    return await ensureTunnelAddress(this, { ...request, nodeLabels, pools: settings.pools });
  }

  /**
   * Takes an address over that a handle has already, so that nobody releases it who has seen it before. Gives false when the handle
   * does not have it, or has more of its block.
   */
  async takeOver(address: Addr, handle: string): Promise<boolean> {
    const cell = await this.#cellOf(address, (await this.#settings.read()).pools);
    if (cell === undefined) return false;
    const ordinal = Number(ordinalOf(cell.cidr, address));
    const isItsOnly = (block: IPAMBlock) => ordinalsOfHandle(block, handle).join() === String(ordinal);
    try {
      return await cell.submit({
        apply: before => ({
          block: isItsOnly(before) ? renew(before, ordinal) : before,
          result: isItsOnly(before),
          // Done once more, it does no harm.
          landed: () => undefined,
        }),
      });
    } catch (err) {
      if (isIpamError(err, 'NotFound')) return false;
      throw err;
    }
  }

  /** Makes a handle count what it has, when `check` finds that it counts more. */
  async settleHandle(handle: string): Promise<void> {
    await this.#releases.settle(handle);
  }

  /** How much of each pool and block is in use. */
  async usage(): Promise<Usage> {
    const [{ pools }, blocks] = await Promise.all([this.#settings.read(), this.#store.blocks()]);
    return usageOf(pools, blocks);
  }

  /** What does not fit together in the datastore. While others write, half-done steps of theirs may show. */
  async check(): Promise<Finding[]> {
    const [{ pools }, blocks, affinities, handles] = await Promise.all([
      this.#settings.read(),
      this.#store.blocks(),
      this.#store.allAffinities(),
      this.#store.handles(),
    ]);
    return checkIpam({ pools, blocks, affinities, handles });
  }

  async #tidy(cidrs: readonly Cidr[], settings: Settings): Promise<void> {
    await this.#blockReleases.tidy(cidrs, settings, node => this.#labelsOf({ node }, settings));
  }

  async #labelsOf(
    request: { readonly node: string; readonly nodeLabels?: Labels; readonly intendedUse?: IntendedUse },
    { pools }: Settings,
  ): Promise<Labels> {
    const { node, nodeLabels } = request;
    if (nodeLabels !== undefined || request.intendedUse === 'LoadBalancer' || !needsNodeLabels(pools)) {
      return nodeLabels ?? {};
    }
    try {
      return (await this.#client.get(Node, { name: node })).metadata.labels ?? {};
    } catch (err) {
      if (isNotFound(err))
        throw new IpamError('NotFound', `Cannot choose pools for node "${node}": there is no such Node`, err);
      throw err;
    }
  }

  #blocksOf(owner: Owner, family: Family): OwnerBlocks {
    const key = `${printOwner(owner)} ${family}`;
    const deps = { store: this.#store, cells: this.#cells, affinities: this.#affinities };
    const blocks = this.#owners.get(key) ?? new OwnerBlocks(owner, family, deps);
    this.#owners.set(key, blocks);
    return blocks;
  }
}

function hostOwner(node: string): Owner {
  return { type: 'host', name: node };
}

function ownerOf(node: string, use: IntendedUse | undefined): Owner {
  return use === 'LoadBalancer' || node === LOAD_BALANCER.name ? LOAD_BALANCER : { type: 'host', name: node };
}
