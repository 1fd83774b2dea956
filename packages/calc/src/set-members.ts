import type { SetId } from '@calico/policy';
import { LabelIndex, type Labels } from '@calico/selector';
import { type Counter, countInto } from './counter.ts';
import type { IpSets } from './ip-sets.ts';
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
  /** Masked CIDRs as text. */
  readonly nets: readonly string[];
  readonly ports: readonly NamedPort[];
}

/** Arrays, not sets: there are as many items as endpoints in the cluster, and each is in few sets. */
interface Item {
  member: Member;
  readonly sets: (SelectorSet | NamedPortSet)[];
}

/**
 * Which endpoints and network sets are in which selector and named-port sets. A changed endpoint costs work for the
 * sets that it is in, enters or leaves.
 */
export class SetMembers {
  readonly #items = new Map<string, Item>();
  readonly #sets = new Map<SetId, SelectorSet | NamedPortSet>();
  readonly #ipSets: IpSets;
  readonly #index: LabelIndex;

  constructor(ipSets: IpSets) {
    this.#ipSets = ipSets;
    this.#index = new LabelIndex({
      matchStarted: (setId, itemId) => this.#matchStarted(setId, itemId),
      matchStopped: (setId, itemId) => this.#matchStopped(setId, itemId),
    });
  }

  /** The endpoint or network set `id` is now `member`; undefined: it is gone. */
  set(id: string, member: Member | undefined): void {
    const item = this.#items.get(id);
    if (member === undefined) {
      if (item === undefined) return;
      this.#index.deleteItem(id);
      this.#items.delete(id);
      return;
    }
    if (item === undefined) this.#items.set(id, { member, sets: [] });
    else {
      const before = item.member;
      item.member = member;
      for (const set of item.sets) this.#replace(set, before, member);
    }
    this.#index.setItem(id, member.labels, member.profiles);
  }

  /** The labels that members with this profile inherit; undefined: none. */
  setProfile(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#index.deleteParent(name);
    else this.#index.setParent(name, labels);
  }

  /** Begins to fill a set. */
  start(set: SelectorSet | NamedPortSet): void {
    this.#sets.set(set.id, set);
    this.#index.setSelector(set.id, set.selector);
  }

  /** No longer fills a set, which is going away. */
  stop(set: SelectorSet | NamedPortSet): void {
    this.#index.deleteSelector(set.id);
    this.#sets.delete(set.id);
  }

  get size(): number {
    return this.#items.size;
  }

  /** Throws when the index is inconsistent. Counts into `given` what is given to each set. */
  check(given: Map<SetId, Counter<string>>): void {
    this.#index.check();
    for (const [id, item] of this.#items) {
      for (const set of item.sets) {
        if (this.#sets.get(set.id) !== set) throw new Error(`Cannot trust members: ${id} is in stopped set ${set.id}`);
        countInto(given, set.id, contributions(set, item.member));
      }
    }
  }

  #matchStarted(setId: SetId, itemId: string): void {
    const set = this.#sets.get(setId);
    const item = this.#items.get(itemId);
    if (set === undefined || item === undefined)
      throw new Error(`Cannot match ${itemId} with ${setId}: one is unknown`);
    item.sets.push(set);
    for (const text of contributions(set, item.member)) this.#ipSets.addMember(setId, text);
  }

  #matchStopped(setId: SetId, itemId: string): void {
    const set = this.#sets.get(setId);
    const item = this.#items.get(itemId);
    if (set === undefined || item === undefined)
      throw new Error(`Cannot unmatch ${itemId} and ${setId}: one is unknown`);
    item.sets.splice(item.sets.indexOf(set), 1);
    for (const text of contributions(set, item.member)) this.#ipSets.removeMember(setId, text);
  }

  /** Adds before it removes, so that what stays is never missing. */
  #replace(set: SelectorSet | NamedPortSet, before: Member, after: Member): void {
    for (const text of contributions(set, after)) this.#ipSets.addMember(set.id, text);
    for (const text of contributions(set, before)) this.#ipSets.removeMember(set.id, text);
  }
}

/** The members that an endpoint or network set gives to a set whose selector it matches. */
function contributions(set: SelectorSet | NamedPortSet, member: Member): readonly string[] {
  if (set.kind === 'selector') return member.nets;
  const texts: string[] = [];
  for (const port of member.ports) {
    if (port.name !== set.port || (set.protocol !== undefined && port.protocol !== set.protocol)) continue;
    for (const net of member.nets) texts.push(`${net.slice(0, net.indexOf('/'))},${port.protocol}:${port.port}`);
  }
  return texts;
}
