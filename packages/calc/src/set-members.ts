import type { SetId } from '@calico/policy';
import { IndexedItem, IndexedSelector, LabelIndex, type LabelIndexListener, type Labels } from '@calico/selector';
import { type Counter, countInto } from './counter.ts';
import type { IpSet, IpSets } from './ip-sets.ts';
import type { MemberKey } from './member-counts.ts';
import { addressText, eachNet, type NetKeys, sameNets } from './net-key.ts';
import type { NamedPortSet, PortProtocol, SelectorSet } from './set-definition.ts';

/** A port with a name on an endpoint. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: PortProtocol;
  readonly port: number;
}

/** What can be a member of sets: an endpoint anywhere in the cluster, or a network set. */
export interface Member {
  readonly labels: Labels;
  /** Profiles whose labels it inherits, the first wins. */
  readonly profiles: readonly string[];
  readonly nets: NetKeys;
  readonly ports: readonly NamedPort[];
}

/** The kinds of objects that are members. */
export type MemberKind = 'WorkloadEndpoint' | 'HostEndpoint' | 'NetworkSet' | 'GlobalNetworkSet';

/** As many as there are endpoints in the cluster: nothing is kept that can be told from elsewhere. */
class Item extends IndexedItem {
  nets: NetKeys;
  ports: readonly NamedPort[];

  constructor({ nets, ports }: Member) {
    super();
    this.nets = nets;
    this.ports = ports;
  }
}

/** A set that is being filled. */
class FilledSet extends IndexedSelector {
  readonly set: IpSet;
  readonly definition: SelectorSet | NamedPortSet;

  constructor(set: IpSet, definition: SelectorSet | NamedPortSet) {
    super(definition.selector);
    this.set = set;
    this.definition = definition;
  }
}

/**
 * Which endpoints and network sets are in which selector and named-port sets. A changed endpoint costs work for the
 * sets that it is in, enters or leaves.
 */
export class SetMembers {
  readonly #items: Readonly<Record<MemberKind, Map<string, Item>>> = {
    WorkloadEndpoint: new Map(),
    HostEndpoint: new Map(),
    NetworkSet: new Map(),
    GlobalNetworkSet: new Map(),
  };
  readonly #sets = new Map<SetId, FilledSet>();
  readonly #begun = new Set<FilledSet>();
  readonly #ipSets: IpSets;
  readonly #index: LabelIndex<FilledSet, Item>;

  /** @param inherited gives the labels that members with a profile inherit. */
  constructor(ipSets: IpSets, inherited: (profile: string) => Labels | undefined) {
    this.#ipSets = ipSets;
    const listener: LabelIndexListener<FilledSet, Item> = {
      matchStarted: (filled, item) => this.#give(filled, item),
      matchStopped: (filled, item) => this.#takeBack(filled, item),
    };
    this.#index = new LabelIndex(listener, inherited);
  }

  /** The endpoint or network set `id` is now `member`; undefined: it is gone. */
  set(kind: MemberKind, id: string, member: Member | undefined): void {
    const items = this.#items[kind];
    let item = items.get(id);
    if (member === undefined) {
      if (item === undefined) return;
      this.#index.deleteItem(item);
      items.delete(id);
      return;
    }
    if (item === undefined) {
      item = new Item(member);
      items.set(id, item);
    } else {
      this.#replace(item, member);
    }
    this.#index.setItem(item, member.labels, member.profiles);
  }

  /** The labels that members with this profile inherit are others now. */
  profileChanged(name: string): void {
    this.#index.parentChanged(name);
  }

  /** Begins to fill a set; `fill` goes on. */
  start(set: IpSet, definition: SelectorSet | NamedPortSet): void {
    const filled = new FilledSet(set, definition);
    this.#sets.set(definition.id, filled);
    this.#begun.add(filled);
  }

  /** No longer fills a set, which is going away. */
  stop(id: SetId): void {
    const filled = this.#sets.get(id);
    if (filled === undefined) throw new Error(`Cannot stop to fill set ${id}: it is unknown`);
    this.#index.dropSelector(filled);
    this.#begun.delete(filled);
    this.#sets.delete(id);
  }

  /** Fills the sets that were begun, in steps. */
  *fill(): Generator<undefined> {
    for (const filled of this.#begun) {
      this.#begun.delete(filled);
      const steps = this.#index.addSelector(filled, filled.definition.selector.node);
      yield;
      yield* steps;
    }
  }

  /** How many members there are of a kind. */
  count(kind: MemberKind): number {
    return this.#items[kind].size;
  }

  get size(): number {
    return Object.values(this.#items).reduce((sum, items) => sum + items.size, 0);
  }

  /** Throws when the index is inconsistent. Counts into `given` what is given to each set. */
  check(given: Map<SetId, Counter<MemberKey>>): void {
    this.#index.check();
    for (const items of Object.values(this.#items)) {
      for (const [id, item] of items) {
        for (const filled of this.#index.matchesOf(item)) {
          const setId = filled.definition.id;
          if (this.#sets.get(setId) !== filled) throw new Error(`Cannot trust members: ${id} is in stopped ${setId}`);
          countInto(given, setId, contributions(filled, item));
        }
      }
    }
  }

  #give(filled: FilledSet, item: Pick<Item, 'nets' | 'ports'>): void {
    for (const member of contributions(filled, item)) this.#ipSets.addMember(filled.set, member);
  }

  #takeBack(filled: FilledSet, item: Pick<Item, 'nets' | 'ports'>): void {
    for (const member of contributions(filled, item)) this.#ipSets.removeMember(filled.set, member);
  }

  /** Adds before it removes, so that what stays is never missing. */
  #replace(item: Item, { nets, ports }: Member): void {
    if (sameNets(item.nets, nets) && item.ports.length === 0 && ports.length === 0) return;
    const before = { nets: item.nets, ports: item.ports };
    item.nets = nets;
    item.ports = ports;
    for (const filled of this.#index.matchesOf(item)) {
      this.#give(filled, item);
      this.#takeBack(filled, before);
    }
  }
}

/** The members that an endpoint or network set gives to a set whose selector it matches. */
function contributions({ definition }: FilledSet, { nets, ports }: Pick<Item, 'nets' | 'ports'>): readonly MemberKey[] {
  if (definition.kind === 'selector') return eachNet(nets);
  const keys: MemberKey[] = [];
  for (const { name, protocol, port } of ports) {
    if (name !== definition.port || (definition.protocol !== undefined && protocol !== definition.protocol)) continue;
    for (const net of eachNet(nets)) keys.push(`${addressText(net)},${protocol}:${port}`);
  }
  return keys;
}
