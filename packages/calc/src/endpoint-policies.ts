import type { Direction, TierProgram } from '@calico/policy';
import { MultiMap } from '@calico/reconcile';
import type { EndpointId } from './messages.ts';
import { compareEntries, type PolicyEntry } from './policy-entry.ts';
import type { Subject } from './subject.ts';
import type { Tiers } from './tiers.ts';

/** The policies of one tier for some endpoints, sorted when asked: a change costs its own sorting and one merge. */
class TierPolicies {
  #sorted: readonly PolicyEntry[] = [];
  readonly #added = new Set<PolicyEntry>();
  readonly #removed = new Set<PolicyEntry>();

  add(entry: PolicyEntry): void {
    if (!this.#removed.delete(entry)) this.#added.add(entry);
  }

  delete(entry: PolicyEntry): void {
    if (!this.#added.delete(entry)) this.#removed.add(entry);
  }

  get size(): number {
    return this.#sorted.length + this.#added.size - this.#removed.size;
  }

  sorted(): readonly PolicyEntry[] {
    if (this.#added.size === 0 && this.#removed.size === 0) return this.#sorted;
    const kept = this.#sorted.filter(entry => !this.#removed.has(entry));
    this.#sorted = merge(kept, [...this.#added].sort(compareEntries));
    this.#added.clear();
    this.#removed.clear();
    return this.#sorted;
  }
}

function merge(left: readonly PolicyEntry[], right: readonly PolicyEntry[]): readonly PolicyEntry[] {
  if (right.length === 0) return left;
  const merged: PolicyEntry[] = [];
  let next = 0;
  for (const entry of left) {
    for (let other = right[next]; other !== undefined && compareEntries(other, entry) < 0; other = right[next]) {
      merged.push(other);
      next++;
    }
    merged.push(entry);
  }
  merged.push(...right.slice(next));
  return merged;
}

/** Endpoints that the same policies are for. */
class Group {
  readonly key: string;
  readonly subjects: readonly Subject[];
  readonly endpoints = new Set<EndpointId>();
  readonly #tierPolicies = new Map<string, TierPolicies>();
  readonly #programs = new Map<Direction, readonly TierProgram[]>();

  constructor(key: string, subjects: Iterable<Subject>) {
    this.key = key;
    this.subjects = [...subjects];
  }

  add(entry: PolicyEntry): void {
    let policies = this.#tierPolicies.get(entry.tier);
    if (policies === undefined) {
      policies = new TierPolicies();
      this.#tierPolicies.set(entry.tier, policies);
    }
    policies.add(entry);
    this.forgetPrograms();
  }

  delete(entry: PolicyEntry): void {
    const policies = this.#tierPolicies.get(entry.tier);
    policies?.delete(entry);
    if (policies?.size === 0) this.#tierPolicies.delete(entry.tier);
    this.forgetPrograms();
  }

  hasTier(name: string): boolean {
    return this.#tierPolicies.has(name);
  }

  /** To be called when a tier changed. */
  forgetPrograms(): void {
    this.#programs.clear();
  }

  programs(direction: Direction, tiers: Tiers): readonly TierProgram[] {
    const known = this.#programs.get(direction);
    if (known !== undefined) return known;
    const programs: TierProgram[] = [];
    for (const { name, defaultAction } of tiers.sort(this.#tierPolicies.keys())) {
      const policies: string[] = [];
      for (const entry of this.#tierPolicies.get(name)?.sorted() ?? []) if (entry[direction]) policies.push(entry.id);
      if (policies.length > 0) programs.push({ name, defaultAction, policies });
    }
    this.#programs.set(direction, programs);
    return programs;
  }
}

/**
 * Which policies are for each local endpoint, in order. Endpoints that match the same subjects share one list, and
 * their tiers are the very same object.
 */
export class EndpointPolicies {
  readonly #entriesOf = new MultiMap<Subject, PolicyEntry>();
  readonly #subjectsOf = new MultiMap<EndpointId, Subject>();
  readonly #groups = new Map<string, Group>();
  readonly #groupOf = new Map<EndpointId, Group>();
  readonly #groupsWith = new MultiMap<Subject, Group>();
  /** Endpoints that match other subjects than those of their group. */
  readonly #moved = new Set<EndpointId>();
  readonly #changed = new Set<Group>();
  readonly #tiers: Tiers;

  constructor(tiers: Tiers) {
    this.#tiers = tiers;
  }

  /** An active policy came. */
  addEntry(entry: PolicyEntry): void {
    this.#entriesOf.add(entry.subject, entry);
    for (const group of this.#groupsWith.get(entry.subject)) {
      group.add(entry);
      this.#changed.add(group);
    }
  }

  /** An active policy went; nothing happens when it is not there. */
  deleteEntry(entry: PolicyEntry): void {
    if (!this.#entriesOf.get(entry.subject).has(entry)) return;
    this.#entriesOf.delete(entry.subject, entry);
    for (const group of this.#groupsWith.get(entry.subject)) {
      group.delete(entry);
      this.#changed.add(group);
    }
  }

  /** An endpoint matches the subject of policies. */
  matchStarted(subject: Subject, endpoint: EndpointId): void {
    this.#subjectsOf.add(endpoint, subject);
    this.#moved.add(endpoint);
  }

  /** An endpoint no longer matches the subject of policies. */
  matchStopped(subject: Subject, endpoint: EndpointId): void {
    this.#subjectsOf.delete(endpoint, subject);
    this.#moved.add(endpoint);
  }

  /** A tier came, went or changed. */
  tierChanged(name: string): void {
    for (const group of this.#groups.values()) {
      if (!group.hasTier(name)) continue;
      group.forgetPrograms();
      this.#changed.add(group);
    }
  }

  /** The endpoints whose policies may have changed since the last call. To be called before `programs`. */
  takeChanged(): Set<EndpointId> {
    const endpoints = new Set(this.#moved);
    for (const endpoint of this.#moved) this.#regroup(endpoint);
    for (const group of this.#changed) for (const endpoint of group.endpoints) endpoints.add(endpoint);
    this.#moved.clear();
    this.#changed.clear();
    return endpoints;
  }

  /** The tiers of an endpoint with policies that govern the direction. */
  programs(endpoint: EndpointId, direction: Direction): readonly TierProgram[] {
    return this.#groupOf.get(endpoint)?.programs(direction, this.#tiers) ?? NO_TIERS;
  }

  /** How many endpoints and groups of them are known. */
  get size(): number {
    return this.#subjectsOf.size + this.#groups.size + this.#groupsWith.size + this.#entriesOf.size;
  }

  /** Throws when an endpoint that is not on the move is in another group than that of its subjects. */
  check(): void {
    for (const [endpoint, group] of this.#groupOf) {
      if (this.#moved.has(endpoint) || group.key === this.#key(endpoint)) continue;
      throw new Error(`Cannot trust policies: ${endpoint} is in the wrong group`);
    }
  }

  #key(endpoint: EndpointId): string {
    return Array.from(this.#subjectsOf.get(endpoint), subject => subject.number)
      .sort((a, b) => a - b)
      .join(' ');
  }

  #regroup(endpoint: EndpointId): void {
    const before = this.#groupOf.get(endpoint);
    const key = this.#key(endpoint);
    if (before?.key === key) return;
    if (key !== '') {
      const after = this.#groups.get(key) ?? this.#createGroup(key, this.#subjectsOf.get(endpoint));
      after.endpoints.add(endpoint);
      this.#groupOf.set(endpoint, after);
    } else this.#groupOf.delete(endpoint);
    before?.endpoints.delete(endpoint);
    if (before?.endpoints.size === 0) this.#dropGroup(before);
  }

  #createGroup(key: string, subjects: ReadonlySet<Subject>): Group {
    const group = new Group(key, subjects);
    this.#groups.set(key, group);
    for (const subject of group.subjects) {
      this.#groupsWith.add(subject, group);
      for (const entry of this.#entriesOf.get(subject)) group.add(entry);
    }
    return group;
  }

  #dropGroup(group: Group): void {
    this.#groups.delete(group.key);
    for (const subject of group.subjects) this.#groupsWith.delete(subject, group);
  }
}

const NO_TIERS: readonly TierProgram[] = [];
