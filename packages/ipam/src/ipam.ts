import { Node } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { type Addr, type Cidr, cidr, type Family, hostCidr, nthAddr } from '@calico/ip';
import type { Clock, Random } from '@calico/reconcile';
import type { Labels } from '@calico/selector';
import { Affinities } from './affinities.ts';
import { Assignment } from './assignment.ts';
import { AutoAssign, type FamilyResult } from './auto-assign.ts';
import { blockCidr, ordinalsOfHandle } from './block.ts';
import { BlockCells } from './block-cells.ts';
import { IpamError } from './error.ts';
import { Handles } from './handles.ts';
import type { Logger } from './log.ts';
import { type Owner, printOwner } from './owner.ts';
import { OwnerBlocks } from './owner-blocks.ts';
import { choosePools, type IntendedUse, needsNodeLabels } from './pools.ts';
import { type ReleaseRequest, Releases } from './releases.ts';
import { type Settings, type SettingsSource, storedSettings } from './settings.ts';
import { IpamStore } from './store.ts';

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
  readonly #owners = new Map<string, OwnerBlocks>();

  constructor(deps: IpamDeps) {
    const { client, clock, random, log } = deps;
    this.#client = client;
    this.#settings = deps.settings ?? storedSettings(client);
    this.#store = new IpamStore(client);
    this.#cells = new BlockCells(this.#store);
    this.#handles = new Handles(this.#store);
    this.#affinities = new Affinities(this.#store, clock);
    this.#assignment = new Assignment(this.#handles, clock, log);
    const parts = { store: this.#store, cells: this.#cells, affinities: this.#affinities, handles: this.#handles };
    this.#autoAssign = new AutoAssign({ ...parts, assignment: this.#assignment, clock, random });
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

  /** Releases all addresses of a handle, and the handle. Rejects with NotFound when there is no such handle. */
  async releaseByHandle(handle: string): Promise<void> {
    const settings = await this.#settings.read();
    await this.#releases.byHandle(handle, settings.config.ipCooldownSeconds);
  }

  /**
   * Releases addresses; gives those that nobody had. Rejects with Conflict when one has another handle or sequence
   * number than asked for; then all of its block are kept.
   */
  async releaseIps(requests: readonly ReleaseRequest[]): Promise<Addr[]> {
    const settings = await this.#settings.read();
    return (await this.#releases.addresses(requests, settings)).unallocated;
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

  async #labelsOf(request: AutoAssignRequest, { pools }: Settings): Promise<Labels> {
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

function ownerOf(node: string, use: IntendedUse): Owner {
  return use === 'LoadBalancer' ? LOAD_BALANCER : { type: 'host', name: node };
}
