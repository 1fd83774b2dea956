import type { Direction, TierProgram } from '@calico/policy';
import type { EndpointId } from './messages.ts';
import { compareEntries, type PolicyEntry } from './policy-entry.ts';
import type { Tiers } from './tiers.ts';

/** The policies of one tier for one endpoint, sorted when asked: a change costs its own sorting and one merge. */
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

/** Which policies are for each local endpoint, in order. */
export class EndpointPolicies {
  readonly #endpoints = new Map<EndpointId, Map<string, TierPolicies>>();
  readonly #tiers: Tiers;

  constructor(tiers: Tiers) {
    this.#tiers = tiers;
  }

  add(entry: PolicyEntry, endpoint: EndpointId): void {
    let tiers = this.#endpoints.get(endpoint);
    if (tiers === undefined) {
      tiers = new Map();
      this.#endpoints.set(endpoint, tiers);
    }
    let policies = tiers.get(entry.tier);
    if (policies === undefined) {
      policies = new TierPolicies();
      tiers.set(entry.tier, policies);
    }
    policies.add(entry);
  }

  delete(entry: PolicyEntry, endpoint: EndpointId): void {
    const tiers = this.#endpoints.get(endpoint);
    const policies = tiers?.get(entry.tier);
    if (tiers === undefined || policies === undefined) {
      throw new Error(`Cannot take ${entry.id} from ${endpoint}: it is not there`);
    }
    policies.delete(entry);
    if (policies.size > 0) return;
    tiers.delete(entry.tier);
    if (tiers.size === 0) this.#endpoints.delete(endpoint);
  }

  /** The endpoints with policies in a tier. */
  *withTier(name: string): Generator<EndpointId> {
    for (const [id, tiers] of this.#endpoints) if (tiers.has(name)) yield id;
  }

  /** The tiers of an endpoint with policies that govern the direction. */
  programs(endpoint: EndpointId, direction: Direction): TierProgram[] {
    const tiers = this.#endpoints.get(endpoint) ?? new Map<string, TierPolicies>();
    const programs: TierProgram[] = [];
    for (const { name, defaultAction } of this.#tiers.sort(tiers.keys())) {
      const policies: string[] = [];
      for (const entry of tiers.get(name)?.sorted() ?? []) if (entry[direction]) policies.push(entry.id);
      if (policies.length > 0) programs.push({ name, defaultAction, policies });
    }
    return programs;
  }

  get size(): number {
    return this.#endpoints.size;
  }
}
