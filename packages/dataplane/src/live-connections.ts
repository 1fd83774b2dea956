import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import { type Addr, parseCidr, printAddr } from '@calico/ip';
import type { ConntrackTuple, Kernel, ListedConnection } from '@calico/kernel';
import {
  type Direction,
  evaluate,
  type Packet,
  type PolicyProgram,
  type ProfileProgram,
  type SetId,
  setsOf,
  type World,
} from '@calico/policy';
import { ownersOf, profileOwner } from './policy/rule-book.ts';

const directions = ['ingress', 'egress'] as const;

/**
 * How long a connection that was cut is remembered, in seconds: as long as the kernel remembers an idle one. Forgotten
 * earlier, it could be picked up again from its middle, by a packet of the side that policy lets begin.
 */
const cutTimeout = 5 * 24 * 3600;

/** What has changed since the connections were last judged. */
interface Changes {
  readonly endpoints: Set<EndpointId>;
  /** Policies, and profiles as `profileOwner` names them. */
  readonly owners: Set<string>;
  readonly sets: Set<SetId>;
}

/**
 * Ends live connections that policy no longer allows, of endpoints that ask for it: where a policy that cuts governs them, or
 * everywhere. A connection's first packet is put to the evaluator again, with the rules that the kernel has; where these deny
 * it, its entry gets the mark that the base chains end connections by (a fixed timeout). One that is allowed again is forgotten,
 * so that it can begin anew.
 */
export class LiveConnections {
  readonly #kernel: Pick<Kernel, 'conntrack' | 'addresses'>;
  readonly #world: World;
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  readonly #byAddress = new Map<string, EndpointId>();
  readonly #rules = new Map<string, PolicyProgram | ProfileProgram>();
  /** The policies that cut. */
  readonly #cutting = new Set<string>();
  /** The directions that were held to policy when they were last judged. */
  readonly #held = new Map<EndpointId, ReadonlySet<Direction>>();
  /** Endpoints with connections that were cut. */
  readonly #withCut = new Set<EndpointId>();
  /** An earlier run may have cut connections: all endpoints are looked at once. */
  #isFirst = true;
  #changes = noChanges();
  #everywhere: boolean;

  /** `world` is what the kernel has been told. */
  constructor(kernel: Pick<Kernel, 'conntrack' | 'addresses'>, world: World, everywhere: boolean) {
    this.#kernel = kernel;
    this.#world = world;
    this.#everywhere = everywhere;
  }

  /** Whether all endpoints ask for it. */
  setEverywhere(everywhere: boolean): void {
    if (everywhere === this.#everywhere) return;
    this.#everywhere = everywhere;
    for (const id of this.#endpoints.keys()) this.#changes.endpoints.add(id);
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    switch (message.kind) {
      case 'endpointUpdate':
        this.#setEndpoint(message.id, message.endpoint);
        this.#changes.endpoints.add(message.id);
        return;
      case 'endpointRemove':
        // What it leaves behind goes with its addresses.
        this.#setEndpoint(message.id, undefined);
        this.#changes.endpoints.delete(message.id);
        this.#held.delete(message.id);
        this.#withCut.delete(message.id);
        return;
      case 'policyUpdate':
        this.#setRules(
          message.policy.id,
          message.policy,
          message.policy.cutsConnections === true && !message.policy.staged,
        );
        return;
      case 'policyRemove':
        this.#setRules(message.id, undefined, false);
        return;
      case 'profileUpdate':
        this.#setRules(profileOwner(message.profile.id), message.profile, false);
        return;
      case 'profileRemove':
        this.#setRules(profileOwner(message.id), undefined, false);
        return;
      case 'ipSetUpdate':
      case 'ipSetDelta':
        this.#changes.sets.add(message.id);
        return;
    }
  }

  /** Whether there is anything to judge. */
  get pending(): boolean {
    const inUse = this.#everywhere || this.#cutting.size + this.#held.size + this.#withCut.size > 0;
    if (!inUse && !this.#isFirst) this.#changes = noChanges();
    const { endpoints, owners, sets } = this.#changes;
    return endpoints.size + owners.size + sets.size > 0;
  }

  /**
   * Judges the connections of all endpoints that a change concerns, in pieces; gives how many were cut. To be gone through to the
   * end, after the rules have been written. KernelError when the kernel refuses: then the next run judges them again.
   */
  *judge(): Generator<void, number> {
    const changes = this.#changes;
    this.#changes = noChanges();
    try {
      return yield* this.#judge(changes);
    } catch (error) {
      for (const id of changes.endpoints) this.#changes.endpoints.add(id);
      for (const owner of changes.owners) this.#changes.owners.add(owner);
      for (const set of changes.sets) this.#changes.sets.add(set);
      throw error;
    }
  }

  *#judge(changes: Changes): Generator<void, number> {
    const held = this.#concerned(changes);
    const addresses = [...held.keys()].flatMap(id => addressesOf(this.#endpoints.get(id)));
    // What the node sends itself does not meet the policy of its pods.
    const own = new Set(
      addresses.length === 0 ? [] : this.#kernel.addresses().map(each => printAddr(each.address.addr)),
    );
    const withCut = new Set<EndpointId>();
    let count = 0;
    for (const connection of yield* this.#kernel.conntrack.listInSteps(addresses)) {
      const packet = firstPacket(connection);
      const source = printAddr(packet.source);
      const from = this.#byAddress.get(source);
      const to = own.has(source) ? undefined : this.#byAddress.get(printAddr(packet.destination));
      const isHeld = (id: EndpointId | undefined, direction: Direction) =>
        id !== undefined && (connection.fixedTimeout || held.get(id)?.has(direction) === true);
      const denied =
        (isHeld(from, 'egress') && this.#denies(from, 'egress', packet)) ||
        (isHeld(to, 'ingress') && this.#denies(to, 'ingress', packet));
      if (denied && !connection.fixedTimeout) count += this.#kernel.conntrack.fixTimeout([connection], cutTimeout);
      if (denied) for (const id of [from, to]) if (id !== undefined) withCut.add(id);
      if (!denied && connection.fixedTimeout) this.#kernel.conntrack.delete([connection]);
      yield;
    }
    this.#isFirst = false;
    for (const id of held.keys()) this.#remember(id, withCut.has(id));
    return count;
  }

  /** The endpoints to be judged, each with the directions that are held to policy now or were before. */
  #concerned({ endpoints, owners, sets }: Changes): Map<EndpointId, ReadonlySet<Direction>> {
    const changed = new Set(owners);
    for (const [owner, rules] of sets.size === 0 ? [] : this.#rules) {
      for (const set of setsOf(rules)) if (sets.has(set)) changed.add(owner);
    }
    const concerned = new Map<EndpointId, ReadonlySet<Direction>>();
    for (const [id, endpoint] of this.#endpoints) {
      const held = new Set([...this.#heldNow(endpoint), ...(this.#held.get(id) ?? [])]);
      if (held.size === 0 && !this.#withCut.has(id) && !this.#isFirst) continue;
      const isConcerned = () => directions.some(direction => ownersOf(endpoint[direction]).some(o => changed.has(o)));
      if (endpoints.has(id) || isConcerned()) concerned.set(id, held);
    }
    return concerned;
  }

  #heldNow(endpoint: LocalEndpoint): Direction[] {
    return directions.filter(
      direction => this.#everywhere || ownersOf(endpoint[direction]).some(owner => this.#cutting.has(owner)),
    );
  }

  #remember(id: EndpointId, hasCut: boolean): void {
    const endpoint = this.#endpoints.get(id);
    const held = endpoint === undefined ? [] : this.#heldNow(endpoint);
    if (held.length > 0) this.#held.set(id, new Set(held));
    else this.#held.delete(id);
    if (hasCut && endpoint !== undefined) this.#withCut.add(id);
    else this.#withCut.delete(id);
  }

  #denies(id: EndpointId | undefined, direction: Direction, packet: Packet): boolean {
    const endpoint = id === undefined ? undefined : this.#endpoints.get(id);
    return endpoint !== undefined && evaluate(endpoint[direction], direction, this.#world, packet).verdict === 'deny';
  }

  #setEndpoint(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    for (const address of addressesOf(this.#endpoints.get(id)).map(printAddr)) {
      if (this.#byAddress.get(address) === id) this.#byAddress.delete(address);
    }
    for (const address of addressesOf(endpoint)) this.#byAddress.set(printAddr(address), id);
    if (endpoint === undefined) this.#endpoints.delete(id);
    else this.#endpoints.set(id, endpoint);
  }

  #setRules(owner: string, rules: PolicyProgram | ProfileProgram | undefined, cuts: boolean): void {
    if (rules === undefined) this.#rules.delete(owner);
    else this.#rules.set(owner, rules);
    if (cuts) this.#cutting.add(owner);
    else this.#cutting.delete(owner);
    this.#changes.owners.add(owner);
  }
}

function addressesOf(endpoint: LocalEndpoint | undefined): Addr[] {
  const { ipv4 = [], ipv6 = [] } = endpoint ?? {};
  return [...ipv4, ...ipv6].flatMap(text => parseCidr(text)?.addr ?? []);
}

function noChanges(): Changes {
  return { endpoints: new Set(), owners: new Set(), sets: new Set() };
}

/** The first packet of a connection as the policy of pods met it: the destination translated, the source not yet. */
function firstPacket({ original, reply }: ListedConnection): Packet {
  const { source, protocol, sourcePort } = original;
  const packet: Packet = { family: source.family, source, destination: reply.source, protocol };
  if (isPing(original)) return { ...packet, icmpType: source.family === 4 ? 8 : 128, icmpCode: 0 };
  return {
    ...packet,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(reply.sourcePort === undefined ? {} : { destinationPort: reply.sourcePort }),
  };
}

/** The kernel tracks questions of ICMP and ICMPv6; all but echo are history. RFC 6918 */
function isPing({ protocol }: ConntrackTuple): boolean {
  return protocol === 1 || protocol === 58;
}
