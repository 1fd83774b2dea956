import { type Addr, type Cidr, cidrContains, hostCidr, PrefixTrie, printAddr, printCidr } from '@calico/ip';
import { MultiMap } from '@calico/reconcile';
import type { Hosts } from './hosts.ts';
import type { RouteInfo, RouteType } from './messages.ts';
import { Outbox } from './outbox.ts';
import { encapsulation, type Pools } from './pools.ts';

/** Why a CIDR has a route. The first kind counts where several claim one CIDR. */
const CLAIM_KINDS = ['workload', 'host', 'tunnel', 'borrowed', 'block', 'pool'] as const;
type ClaimKind = (typeof CLAIM_KINDS)[number];

/** Something that says where the addresses of a CIDR are. */
export interface Claim {
  readonly kind: ClaimKind;
  readonly cidr: Cidr;
  /** The node that has the addresses; absent for pools. */
  readonly node?: string;
}

interface Place {
  readonly cidr: Cidr;
  readonly text: string;
  readonly claims: Set<Claim>;
}

/**
 * Where the addresses of the cluster are: a route for each pool, block, borrowed address, local workload, node and
 * tunnel. Sources state their claims; a route is worked out anew when a claim on its CIDR, its pool or its node changed.
 */
export class Routes {
  readonly outbox = new Outbox<RouteInfo>();
  readonly #places = new PrefixTrie<Place>();
  readonly #claims = new Map<string, readonly Claim[]>();
  readonly #placesOf = new MultiMap<string, Place>();
  readonly #dirty = new Set<Place>();
  readonly #nodeName: string;
  readonly #hosts: Hosts;
  readonly #pools: Pools;

  constructor(nodeName: string, hosts: Hosts, pools: Pools) {
    this.#nodeName = nodeName;
    this.#hosts = hosts;
    this.#pools = pools;
  }

  /** The source `owner` now makes these claims and no others. */
  setClaims(owner: string, claims: readonly Claim[]): void {
    const before = this.#claims.get(owner) ?? [];
    for (const claim of claims) this.#add(claim);
    for (const claim of before) this.#remove(claim);
    if (claims.length > 0) this.#claims.set(owner, claims);
    else this.#claims.delete(owner);
  }

  /** A pool changed around these addresses. */
  poolChanged(cidr: Cidr): void {
    for (const { value } of this.#places.coveredBy(cidr)) this.#dirty.add(value);
  }

  /** A node's addresses changed; this node's own subnet decides for every other. */
  nodeChanged(name: string): void {
    if (name === this.#nodeName) for (const { value } of this.#places.entries()) this.#dirty.add(value);
    else for (const place of this.#placesOf.get(name)) this.#dirty.add(place);
  }

  /** Puts what changed since the last call into the outbox, in steps. */
  *resolve(): Generator<undefined> {
    for (const place of this.#dirty) {
      this.outbox.put(place.text, this.#route(place));
      this.#dirty.delete(place);
      yield;
    }
  }

  get size(): number {
    return this.#places.size + this.#claims.size + this.#placesOf.size;
  }

  /** Throws when places and claims differ. */
  check(): void {
    this.#places.check();
    const claims = new Set([...this.#claims.values()].flat());
    let count = 0;
    for (const { value } of this.#places.entries()) {
      if (value.claims.size === 0) throw new Error(`Cannot trust routes: nothing claims ${value.text}`);
      for (const claim of value.claims)
        if (!claims.has(claim)) throw new Error(`Cannot trust routes: stale ${value.text}`);
      count += value.claims.size;
    }
    if (count !== claims.size) throw new Error(`Cannot trust routes: ${count} claims placed, ${claims.size} made`);
  }

  #add(claim: Claim): void {
    let place = this.#places.get(claim.cidr);
    if (place === undefined) {
      place = { cidr: claim.cidr, text: printCidr(claim.cidr), claims: new Set() };
      this.#places.set(claim.cidr, place);
    }
    place.claims.add(claim);
    if (claim.node !== undefined) this.#placesOf.add(claim.node, place);
    this.#dirty.add(place);
  }

  #remove(claim: Claim): void {
    const place = this.#places.get(claim.cidr);
    if (place === undefined) throw new Error(`Cannot take a claim back: ${printCidr(claim.cidr)} is unknown`);
    place.claims.delete(claim);
    const { node } = claim;
    if (node !== undefined && ![...place.claims].some(other => other.node === node)) this.#placesOf.delete(node, place);
    if (place.claims.size === 0) this.#places.delete(place.cidr);
    this.#dirty.add(place);
  }

  #route(place: Place): RouteInfo | undefined {
    const current = this.#places.get(place.cidr);
    const claim = best(current?.claims ?? []);
    if (current === undefined || claim === undefined) return undefined;
    const { kind, node } = claim;
    const pool = this.#pools.around(place.cidr);
    const { type: poolType, crossSubnet } = encapsulation(pool);
    const { family } = place.cidr.addr;
    const nodeIp = node === undefined ? undefined : this.#hosts.get(node)?.host[family];
    return {
      cidr: place.text,
      type: this.#type(kind, node),
      poolType,
      ...(node === undefined ? {} : { node }),
      ...(nodeIp === undefined ? {} : { nodeIp: printAddr(nodeIp) }),
      sameSubnet: crossSubnet && this.#inOurSubnet(nodeIp),
      natOutgoing: pool?.natOutgoing ?? false,
      borrowed: (kind === 'workload' || kind === 'borrowed') && has(current, 'borrowed'),
      block: has(current, 'block'),
    };
  }

  #type(kind: ClaimKind, node: string | undefined): RouteType {
    const local = node === this.#nodeName;
    switch (kind) {
      case 'pool':
        return 'pool';
      case 'host':
        return local ? 'localHost' : 'remoteHost';
      case 'tunnel':
        return local ? 'localTunnel' : 'remoteTunnel';
      case 'workload':
      case 'borrowed':
      case 'block':
        return local ? 'localWorkload' : 'remoteWorkload';
    }
  }

  #inOurSubnet(address: Addr | undefined): boolean {
    const subnet = address === undefined ? undefined : this.#hosts.get(this.#nodeName)?.subnet[address.family];
    return address !== undefined && subnet !== undefined && cidrContains(subnet, address);
  }
}

function has(place: Place, kind: ClaimKind): boolean {
  for (const claim of place.claims) if (claim.kind === kind) return true;
  return false;
}

/** The claim that counts: by kind, then by the node's name. */
function best(claims: Iterable<Claim>): Claim | undefined {
  let found: Claim | undefined;
  for (const claim of claims) if (found === undefined || compareClaims(claim, found) < 0) found = claim;
  return found;
}

function compareClaims(a: Claim, b: Claim): number {
  const rank = CLAIM_KINDS.indexOf(a.kind) - CLAIM_KINDS.indexOf(b.kind);
  if (rank !== 0) return rank;
  return (a.node ?? '') < (b.node ?? '') ? -1 : 1;
}

/** Claims of single addresses. */
export function addressClaims(kind: ClaimKind, node: string, addresses: Iterable<Addr>): Claim[] {
  return [...addresses].map(address => ({ kind, node, cidr: hostCidr(address) }));
}
