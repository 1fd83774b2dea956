import type { Family } from '@calico/ip';
import {
  type Direction,
  type DirectionProgram,
  type PolicyProgram,
  type ProfileProgram,
  type Rule,
  type SetId,
  setsOf,
  type TierProgram,
} from '@calico/policy';
import { type FlatRule, flattenRule, type NetsBy, type PortsOf } from './lookup/flat-rule.ts';
import { FlatProgram, type Stage } from './lookup/residual.ts';
import { tierCounter } from './names.ts';

/** The rules of policies and profiles by their owner: a policy's name, or `profile/<name>`. */
export class RuleBook {
  readonly #owners = new Map<string, PolicyProgram | ProfileProgram>();
  /** Which owners ask a set. */
  readonly #asking = new Map<SetId, Set<string>>();
  /** Flattened rules by owner, then direction and family: kept as long as the owner stays as it is. */
  readonly #flat = new Map<string, Map<string, readonly FlatRule[]>>();
  readonly #portsOf: PortsOf;
  #serial = 0;

  constructor(portsOf: PortsOf) {
    this.#portsOf = portsOf;
  }

  /** The owner has these rules now; undefined: it is gone. */
  set(owner: string, rules: PolicyProgram | ProfileProgram | undefined): void {
    const before = this.#owners.get(owner);
    for (const set of before === undefined ? [] : setsOf(before)) {
      const owners = this.#asking.get(set);
      owners?.delete(owner);
      if (owners?.size === 0) this.#asking.delete(set);
    }
    this.#flat.delete(owner);
    if (rules === undefined) {
      this.#owners.delete(owner);
      return;
    }
    this.#owners.set(owner, rules);
    for (const set of setsOf(rules)) {
      const owners = this.#asking.get(set);
      if (owners === undefined) this.#asking.set(set, new Set([owner]));
      else owners.add(owner);
    }
  }

  /** The owners that ask the set: their rules must be rendered anew. */
  setChanged(set: SetId): Iterable<string> {
    const owners = this.#asking.get(set) ?? [];
    for (const owner of owners) this.#flat.delete(owner);
    return owners;
  }

  /** Whether the rules of any owner ask the set. */
  isAsked(set: SetId): boolean {
    return this.#asking.has(set);
  }

  /** What the owner is known by; undefined while it is unknown. */
  get(owner: string): PolicyProgram | ProfileProgram | undefined {
    return this.#owners.get(owner);
  }

  /** The rules of an owner; none while it is unknown. */
  rules(owner: string, direction: Direction): readonly Rule[] {
    return this.#owners.get(owner)?.[direction] ?? [];
  }

  /** A staged policy is no part of the rules. */
  isStaged(owner: string): boolean {
    const rules = this.#owners.get(owner);
    return rules !== undefined && 'staged' in rules && rules.staged;
  }

  /** A tier decides what no rule decided, unless it passes by default or all its policies are staged. */
  isDecided(tier: TierProgram): boolean {
    return tier.defaultAction === 'deny' && tier.policies.some(id => !this.isStaged(id));
  }

  /** How many rules of the family a program has. */
  ruleCount(program: DirectionProgram, direction: Direction, family: Family): number {
    let count = 0;
    for (const owner of ownersOf(program)) {
      if (this.isStaged(owner)) continue;
      for (const { ipVersion = family } of this.rules(owner, direction)) if (ipVersion === family) count++;
    }
    return count;
  }

  /** The program with all its rules, ready to be asked what is left of it for a peer. */
  flatProgram(program: DirectionProgram, direction: Direction, family: Family, netsBy: NetsBy): FlatProgram {
    const stages: Stage<FlatRule>[] = program.tiers.map(tier => ({
      rules: tier.policies.flatMap(id => (this.isStaged(id) ? [] : this.#flatRules(id, direction, family, netsBy))),
      denies: this.isDecided(tier) ? tierCounter(tier.name, direction) : undefined,
    }));
    for (const id of program.profiles) {
      stages.push({ rules: this.#flatRules(profileOwner(id), direction, family, netsBy), denies: undefined });
    }
    stages.push({ rules: [], denies: tierCounter('profiles', direction) });
    return new FlatProgram(stages);
  }

  #flatRules(owner: string, direction: Direction, family: Family, netsBy: NetsBy): readonly FlatRule[] {
    let ofOwner = this.#flat.get(owner);
    if (ofOwner === undefined) {
      ofOwner = new Map();
      this.#flat.set(owner, ofOwner);
    }
    const key = `${direction}/${family}/${netsBy}`;
    let flat = ofOwner.get(key);
    if (flat === undefined) {
      flat = this.rules(owner, direction).flatMap(
        rule => flattenRule(owner, rule, this.#serial++, direction, family, netsBy, this.#portsOf) ?? [],
      );
      ofOwner.set(key, flat);
    }
    return flat;
  }
}

/** The owner of a profile's rules. */
export const profileOwner = (id: string): string => `profile/${id}`;

/** All owners that a program names. */
export function ownersOf(program: DirectionProgram): string[] {
  return [...program.tiers.flatMap(tier => tier.policies), ...program.profiles.map(profileOwner)];
}
