import { Node } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import {
  type Addr,
  type Cidr,
  cidr,
  cidrContains,
  cidrCovers,
  compareAddr,
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
import { Affinities, type ReleaseConditions } from './affinities.ts';
import { Assignment } from './assignment.ts';
import { AutoAssign, type FamilyResult } from './auto-assign.ts';
import { blockCidr, isEmpty, ordinalsOfHandle, stateOf } from './block.ts';
import { BlockCells } from './block-cells.ts';
import { checkIpam, type Finding } from './check.ts';
import { IpamError, isIpamError } from './error.ts';
import { Handles } from './handles.ts';
import type { Logger } from './log.ts';
import { type Owner, parseOwner, printOwner } from './owner.ts';
import { OwnerBlocks } from './owner-blocks.ts';
import {
  allowsUse,
  choosePools,
  type IntendedUse,
  needsNodeLabels,
  poolOfAddress,
  poolOfBlock,
  selectsNode,
} from './pools.ts';
import { type ReleaseRequest, Releases } from './releases.ts';
import { AGAIN, retrying } from './retry.ts';
import { type Settings, type SettingsSource, storedSettings } from './settings.ts';
import { IpamStore } from './store.ts';
import { type TunnelKind, tunnelPlan, tunnelPools } from './tunnel.ts';
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

/** Addresses wanted for one owner. */
export interface AutoAssignRequest {
  readonly node: string;
  /** Read from the Node when absent and some pool asks. */
  readonly nodeLabels?: Labels;
  /** Whose the addresses are: `<network>.<container>` for pods. */
  readonly handle: string;
  /** What the block says of them: pod, namespace, node, timestamp … */
  readonly attributes: Readonly<Record<string, string>>;
  /** How many. */
  readonly ipv4: number;
  readonly ipv6: number;
  /** CIDRs of the pools to take them from, whatever their selectors say. */
  readonly pools4?: readonly string[];
  readonly pools6?: readonly string[];
  /** For pools that select namespaces. */
  readonly namespace?: { readonly name: string; readonly labels: Labels };
  readonly intendedUse: IntendedUse;
  /** The most blocks the node may have; 0 or absent: as configured. */
  readonly maxBlocks?: number;
}

/** One address wanted for one owner. */
export interface AssignIpRequest {
  readonly address: Addr;
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly node: string;
  /** Checked against the pool when given. */
  readonly intendedUse?: IntendedUse;
  /** It is no error when the handle has the address already. */
  readonly reuse?: boolean;
}

/** Which blocks a node gives up. */
export interface ReleaseAffinityRequest {
  readonly node: string;
  /** One block; all when absent. */
  readonly cidr?: Cidr;
  readonly requireEmpty: boolean;
}

/** The tunnel of a node. */
export interface TunnelRequest {
  readonly node: string;
  readonly kind: TunnelKind;
  /** Read from the Node when absent and some pool asks. */
  readonly nodeLabels?: Labels;
}

/** Whose an address is. */
export interface Lookup {
  readonly handle: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  /** Of the other owner, during a live migration. */
  readonly alternateAttributes: Readonly<Record<string, string>> | undefined;
  readonly sequenceNumber: bigint | undefined;
  readonly block: Cidr;
}

/** Addresses given out, as /32 and /128. */
export interface AutoAssignResult {
  readonly ipv4: Cidr[];
  readonly ipv6: Cidr[];
  /** Why there are fewer than asked for; empty when there are not. */
  readonly notes: string[];
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
  readonly #log: Logger | undefined;
  readonly #owners = new Map<string, OwnerBlocks>();

  constructor(deps: IpamDeps) {
    const { client, clock, random, log } = deps;
    this.#client = client;
    this.#log = log;
    this.#settings = deps.settings ?? storedSettings(client);
    this.#store = new IpamStore(client);
    this.#cells = new BlockCells(this.#store);
    this.#handles = new Handles(this.#store);
    this.#affinities = new Affinities(this.#store, clock);
    this.#assignment = new Assignment(this.#handles, clock, log);
    const parts = { store: this.#store, cells: this.#cells, affinities: this.#affinities, handles: this.#handles };
    this.#autoAssign = new AutoAssign({ ...parts, assignment: this.#assignment, clock, random, log });
    this.#releases = new Releases({ ...parts, clock, log });
  }

  /** Gives out addresses, IPv4 first. Rejects with NoPool when no pool may serve the request. */
  async autoAssign(request: AutoAssignRequest): Promise<AutoAssignResult> {
    const settings = await this.#settings.read();
    const nodeLabels = await this.#labelsOf(request, settings);
    const ipv4 = await this.#family(4, request, settings, nodeLabels);
    const ipv6 = await this.#family(6, request, settings, nodeLabels);
    return { ipv4: ipv4.addresses, ipv6: ipv6.addresses, notes: [...ipv4.notes, ...ipv6.notes] };
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
    const { handle, attributes, maxBlocks = 0 } = request;
    const owner = ownerOf(request.node, request.intendedUse);
    return await this.#autoAssign.assign(
      { family, count, handle, attributes, pools, settings, nodeLabels, maxBlocks },
      this.#blocksOf(owner, family),
    );
  }

  /**
   * Gives out one particular address, whatever selectors and reservations say; takes or borrows its block. Rejects with
   * NoPool, with AlreadyExists when it is in use or cooling, with Conflict when affinity is strict and the block another's.
   */
  async assignIp(request: AssignIpRequest): Promise<void> {
    const { address, handle, attributes, node, intendedUse, reuse = false } = request;
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
    const wanted = { handle, attributes, reservations, cooldownSeconds: config.ipCooldownSeconds, ...strict };
    await retrying(`assign ${printAddr(address)}`, async () => {
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
  }

  /** Releases all addresses of a handle, and the handle. Rejects with NotFound when there is no such handle. */
  async releaseByHandle(handle: string): Promise<void> {
    const settings = await this.#settings.read();
    await this.#tidy(await this.#releases.byHandle(handle, settings.config.ipCooldownSeconds), settings);
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
    const { pools } = await this.#settings.read();
    const pool = poolOfAddress(pools, address);
    const block =
      pool === undefined
        ? (await this.#store.blocks()).find(candidate => cidrContains(blockCidr(candidate), address))
        : await this.#store.block(maskCidr({ addr: address, length: pool.blockSize }));
    const found = block && stateOf(block, address);
    const what = `Cannot look up ${printAddr(address)}`;
    if (block === undefined || found === undefined || found.state === 'free') {
      throw new IpamError('NotFound', `${what}: it is not assigned`);
    }
    if (found.state === 'cooling') throw new IpamError('InCooldown', `${what}: it was released at ${found.releasedAt}`);
    const { handle, attributes, alternateAttributes, sequenceNumber } = found;
    return { handle, attributes, alternateAttributes, sequenceNumber, block: blockCidr(block) };
  }

  /**
   * Gives up a node's blocks, or one of them: deleted when empty, else left without owner. With requireEmpty, one in use
   * is kept and rejects with NotEmpty; the others are given up first.
   */
  async releaseAffinity(request: ReleaseAffinityRequest): Promise<void> {
    const { config } = await this.#settings.read();
    const owner = ownerOf(request.node, undefined);
    const cidrs = request.cidr === undefined ? await this.#cidrsOf(owner) : [request.cidr];
    await this.#release(
      cidrs.map(block => ({ owner, cidr: block })),
      { requireEmpty: request.requireEmpty, cooldownSeconds: config.ipCooldownSeconds },
    );
  }

  /** The blocks of which the owner has the affinity, or that say so themselves. */
  async #cidrsOf(owner: Owner): Promise<Cidr[]> {
    const [affinities, blocks] = await Promise.all([this.#store.affinities(owner), this.#store.blocks()]);
    const own = blocks.filter(({ spec }) => spec.affinity === printOwner(owner));
    const texts = new Set([...affinities, ...own].map(({ spec }) => spec.cidr));
    return [...texts].map(text => cidr(text));
  }

  /** Gives up all blocks in a pool, whosever they are; those in use are left without owner. */
  async releasePoolAffinities(pool: Cidr): Promise<void> {
    const { config } = await this.#settings.read();
    const [blocks, affinities] = await Promise.all([this.#store.blocks(), this.#store.allAffinities()]);
    const claims = new Map<string, { owner: Owner; cidr: Cidr }>();
    const add = (owner: Owner | undefined, block: Cidr) => {
      if (owner === undefined || !cidrCovers(pool, block)) return;
      claims.set(`${printOwner(owner)} ${printCidr(block)}`, { owner, cidr: block });
    };
    for (const block of blocks) add(parseOwner(block.spec.affinity), blockCidr(block));
    for (const { spec } of affinities) add({ type: spec.type ?? 'host', name: spec.node }, cidr(spec.cidr));
    await this.#release([...claims.values()], { requireEmpty: false, cooldownSeconds: config.ipCooldownSeconds });
  }

  /** All of them, whatever happens to some; rejects with the first failure. */
  async #release(claims: readonly { owner: Owner; cidr: Cidr }[], conditions: ReleaseConditions): Promise<void> {
    const failures: unknown[] = [];
    for (const { owner, cidr: block } of claims) {
      try {
        await this.#affinities.release(owner, block, conditions);
        this.#blocksOf(owner, block.addr.family).forget(block);
      } catch (err) {
        // A stale affinity beside a block that is somebody else's is gone by now, which is all there was to do.
        if (!isIpamError(err, 'Conflict')) failures.push(err);
      }
      this.#cells.of(block).accept(undefined);
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * The address of a node's tunnel: the one it has, while a fitting pool has it, else a new one; undefined, and none kept,
   * when no pool wants such a tunnel. Whether WireGuard runs on the node, and noting the address there, is the caller's.
   */
  async ensureTunnelAddress(request: TunnelRequest): Promise<Addr | undefined> {
    const { node, kind } = request;
    const settings = await this.#settings.read();
    const nodeLabels = await this.#labelsOf({ ...request, intendedUse: 'Tunnel' }, settings);
    const { family, handle, attributes } = tunnelPlan(kind, node);
    const pools = tunnelPools(settings.pools, kind, nodeLabels);
    const fitting = async (): Promise<Addr | undefined> => {
      const [first, ...others] = (await this.addressesByHandle(handle)).map(({ addr }) => addr).sort(compareAddr);
      if (first === undefined) return undefined;
      // Two agents of one node may both have asked: both keep the same.
      if (others.length > 0) await this.releaseIps(others.map(address => ({ address, handle })));
      const found = await this.lookup(first);
      const same = found.attributes.node === node && found.attributes.type === attributes.type;
      return same && poolOfAddress(pools, first) !== undefined ? first : undefined;
    };
    const present = pools.length === 0 ? undefined : await fitting();
    if (present !== undefined) return present;
    try {
      await this.releaseByHandle(handle);
    } catch (err) {
      if (!isIpamError(err, 'NotFound')) throw err;
    }
    if (pools.length === 0) return undefined;
    const cidrs = pools.map(pool => printCidr(pool.cidr));
    const assigned = await this.autoAssign({
      node,
      nodeLabels,
      handle,
      attributes,
      ipv4: family === 4 ? 1 : 0,
      ipv6: family === 6 ? 1 : 0,
      ...(family === 4 ? { pools4: cidrs } : { pools6: cidrs }),
      intendedUse: 'Tunnel',
    });
    if (assigned.notes.length > 0) {
      throw new IpamError(
        'NoAddress',
        `Cannot assign the ${kind} tunnel of node "${node}": ${assigned.notes.join('; ')}`,
      );
    }
    return await fitting();
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

  /** After a release: gives up blocks that stand empty and whose pool no longer selects their node. Best effort. */
  async #tidy(cidrs: readonly Cidr[], settings: Settings): Promise<void> {
    for (const block of cidrs) {
      const last = this.#cells.of(block).last;
      const owner = parseOwner(last?.spec.affinity);
      if (last === undefined || owner === undefined || !isEmpty(last)) continue;
      try {
        const pool = poolOfBlock(settings.pools, block);
        const nodeLabels =
          owner.type === 'virtual' || pool === undefined ? {} : await this.#labelsOf({ node: owner.name }, settings);
        if (pool !== undefined && selectsNode(pool, nodeLabels)) continue;
        const conditions = { requireEmpty: true, cooldownSeconds: settings.config.ipCooldownSeconds };
        await this.#release([{ owner, cidr: block }], conditions);
      } catch (err) {
        this.#log?.warn({ err, block: printCidr(block) }, 'block that no pool selects was not given up');
      }
    }
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

function ownerOf(node: string, use: IntendedUse | undefined): Owner {
  return use === 'LoadBalancer' || node === LOAD_BALANCER.name ? LOAD_BALANCER : { type: 'host', name: node };
}
