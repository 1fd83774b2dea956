import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';

import type { Family } from '@calico/ip';
import type { Expr } from '@calico/kernel';
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
import { AddressSets, bytesKey } from './address-sets.ts';
import { ContentStore } from './content-store.ts';
import * as nft from './expressions.ts';
import { contentName, ruleCounter, tierCounter, workloadMap } from './names.ts';
import { type RenderContext, renderRule } from './render-rule.ts';
import type { Ruleset } from './ruleset.ts';

/** The nflog group that log rules write to; the agent reads it. Calico's groups 1 and 2 are for flow logs. */
export const logGroup = 3;

const directions = ['ingress', 'egress'] as const;
const families = [4, 6] as const;

/** One direction of one family of a program, shared by all endpoints that have it. */
interface CompiledProgram {
  readonly direction: Direction;
  readonly family: Family;
  readonly program: DirectionProgram;
  readonly endpoints: Set<EndpointId>;
  /** The chain that decides; undefined until the first compilation. */
  chain: string | undefined;
}

/**
 * Turns policies, profiles, sets and endpoints into chains, sets and verdict maps of a ruleset.
 *
 * An endpoint's interface is looked up in a verdict map that leads to the chain of its program. That chain walks the
 * tiers, each policy in a chain of its own that all programs share; a policy that passes to the next tier is written
 * into its tier's chain, where `return` means just that. Endpoints with equal programs share one chain.
 */
export class PolicyCompiler {
  readonly #ruleset: Ruleset;
  readonly #store: ContentStore;
  readonly #sets: AddressSets;
  readonly #rules = new Map<string, PolicyProgram | ProfileProgram>();
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  readonly #programs = new Map<string, CompiledProgram>();
  /** The programs of each endpoint, by verdict map. */
  readonly #programsOf = new Map<EndpointId, Map<string, string>>();
  /** All endpoints that claim an interface; the one with the lowest name has it. */
  readonly #claims = new Map<string, Set<EndpointId>>();
  /** Which programs walk a policy or profile, and which of those ask a set. */
  readonly #programsUsing = new Map<string, Set<string>>();
  readonly #rulesUsing = new Map<SetId, Set<string>>();
  readonly #dirtyPrograms = new Set<string>();
  readonly #dirtyEndpoints = new Set<EndpointId>();
  readonly #dirtyInterfaces = new Set<string>();

  constructor(ruleset: Ruleset) {
    this.#ruleset = ruleset;
    this.#sets = new AddressSets({
      changed: ({ set, key, present }) => ruleset.setElement(set, key, present ? '' : undefined),
      shapeChanged: set => {
        for (const owner of this.#rulesUsing.get(set) ?? []) this.#markPrograms(owner);
      },
    });
    this.#store = new ContentStore(ruleset, this.#sets);
    for (const direction of directions) {
      for (const family of families) {
        const name = workloadMap(direction, family);
        ruleset.addSet({ name, keyType: 'ifname', flags: [], map: 'verdict' }, []);
      }
    }
  }

  /** Takes one message of the calculation in; nothing is compiled before `compile`. Other kinds are ignored. */
  handle(message: Message): void {
    switch (message.kind) {
      case 'ipSetUpdate':
        this.#sets.update(message.id, message.type, message.members);
        return;
      case 'ipSetDelta':
        this.#sets.change(message.id, message.added, message.removed);
        return;
      case 'ipSetRemove':
        this.#sets.remove(message.id);
        return;
      case 'policyUpdate':
        this.#setRules(message.policy.id, message.policy);
        return;
      case 'policyRemove':
        this.#setRules(message.id, undefined);
        return;
      case 'profileUpdate':
        this.#setRules(profileOwner(message.profile.id), message.profile);
        return;
      case 'profileRemove':
        this.#setRules(profileOwner(message.id), undefined);
        return;
      case 'endpointUpdate':
        this.#setEndpoint(message.id, message.endpoint);
        return;
      case 'endpointRemove':
        this.#setEndpoint(message.id, undefined);
        return;
    }
  }

  /** Brings the ruleset up to date with everything handled so far. */
  compile(): void {
    for (const id of this.#dirtyEndpoints) this.#assignPrograms(id);
    // New chains are acquired before old ones are released, so that what both use is never taken away in between.
    const released: string[] = [];
    for (const key of this.#dirtyPrograms) {
      const compiled = this.#programs.get(key);
      if (compiled === undefined) continue;
      if (compiled.chain !== undefined) released.push(compiled.chain);
      if (compiled.endpoints.size === 0) {
        this.#forgetProgram(key, compiled);
        continue;
      }
      const chain = this.#compileProgram(compiled);
      for (const id of chain === compiled.chain ? [] : compiled.endpoints) this.#markInterface(id);
      compiled.chain = chain;
    }
    for (const name of this.#dirtyInterfaces) this.#writeMaps(name);
    for (const chain of released) this.#store.release(chain);
    this.#dirtyPrograms.clear();
    this.#dirtyEndpoints.clear();
    this.#dirtyInterfaces.clear();
  }

  #setEndpoint(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    const before = this.#endpoints.get(id);
    if (before !== undefined) {
      this.#dirtyInterfaces.add(before.name);
      remove(this.#claims, before.name, id);
    }
    if (endpoint === undefined) this.#endpoints.delete(id);
    else {
      this.#endpoints.set(id, endpoint);
      this.#dirtyInterfaces.add(endpoint.name);
      add(this.#claims, endpoint.name, id);
    }
    this.#dirtyEndpoints.add(id);
  }

  #markInterface(id: EndpointId): void {
    const name = this.#endpoints.get(id)?.name;
    if (name !== undefined) this.#dirtyInterfaces.add(name);
  }

  #setRules(owner: string, rules: PolicyProgram | ProfileProgram | undefined): void {
    const before = this.#rules.get(owner);
    for (const set of before === undefined ? [] : setsOf(before)) remove(this.#rulesUsing, set, owner);
    if (rules === undefined) this.#rules.delete(owner);
    else {
      this.#rules.set(owner, rules);
      for (const set of setsOf(rules)) add(this.#rulesUsing, set, owner);
    }
    this.#markPrograms(owner);
  }

  #markPrograms(owner: string): void {
    for (const key of this.#programsUsing.get(owner) ?? []) this.#dirtyPrograms.add(key);
  }

  /** Finds or makes the programs that the endpoint has now; marks those that it left and those that are new. */
  #assignPrograms(id: EndpointId): void {
    const before = [...(this.#programsOf.get(id)?.values() ?? [])];
    const endpoint = this.#endpoints.get(id);
    const now = new Map<string, string>();
    for (const direction of endpoint === undefined ? [] : directions) {
      const program = endpoint?.[direction] ?? noProgram;
      const content = JSON.stringify(program);
      for (const family of endpoint === undefined ? [] : familiesOf(endpoint)) {
        const key = contentName(`${direction}/${family}`, content);
        now.set(workloadMap(direction, family), key);
        this.#joinProgram(key, direction, family, program, id);
      }
    }
    const kept = new Set(now.values());
    for (const key of before) {
      if (kept.has(key)) continue;
      this.#programs.get(key)?.endpoints.delete(id);
      this.#dirtyPrograms.add(key);
    }
    if (now.size > 0) this.#programsOf.set(id, now);
    else this.#programsOf.delete(id);
  }

  #joinProgram(key: string, direction: Direction, family: Family, program: DirectionProgram, id: EndpointId): void {
    const known = this.#programs.get(key);
    if (known !== undefined) {
      known.endpoints.add(id);
      return;
    }
    this.#programs.set(key, { direction, family, program, endpoints: new Set([id]), chain: undefined });
    for (const owner of ownersOf(program)) add(this.#programsUsing, owner, key);
    this.#dirtyPrograms.add(key);
  }

  #forgetProgram(key: string, compiled: CompiledProgram): void {
    this.#programs.delete(key);
    for (const owner of ownersOf(compiled.program)) remove(this.#programsUsing, owner, key);
  }

  #compileProgram({ direction, family, program }: CompiledProgram): string {
    const inner: string[] = [];
    const acquire = (prefix: string, rules: Expr[][]) => {
      const name = this.#store.acquire(`${direction}/${family}/${prefix}`, rules);
      inner.push(name);
      return name;
    };
    const rules: Expr[][] = [];
    for (const tier of program.tiers) {
      const walk = tier.policies.flatMap(id => this.#renderPolicy(id, direction, family, acquire));
      const decided = this.#isDecided(tier);
      const end = decided ? [[nft.countAs(tierCounter(tier.name, direction)), nft.verdict('drop')]] : [];
      const passes = tier.policies.some(id => passesOn(this.#rules.get(id)?.[direction] ?? []));
      // A tier in which a rule passes needs a chain to return from.
      if (passes) rules.push([nft.toChain('jump', acquire(`tier/${tier.name}`, [...walk, ...end]))]);
      else rules.push(...walk, ...end);
    }
    for (const id of program.profiles) rules.push(...this.#renderShared(profileOwner(id), direction, family, acquire));
    rules.push([nft.countAs(tierCounter('profiles', direction)), nft.verdict('drop')]);
    const name = this.#store.acquire(`${direction}/${family}/program`, rules);
    // The program's chain uses them now; the uses that kept them alive meanwhile end.
    for (const chain of inner) this.#store.release(chain);
    return name;
  }

  /** A tier decides what no rule decided, unless it passes by default or all its policies are staged. */
  #isDecided(tier: TierProgram): boolean {
    return tier.defaultAction === 'deny' && tier.policies.some(id => !isStaged(this.#rules.get(id)));
  }

  #renderPolicy(id: string, direction: Direction, family: Family, acquire: Acquire): Expr[][] {
    const rules = this.#rules.get(id);
    if (isStaged(rules)) return [];
    if (!passesOn(rules?.[direction] ?? [])) return this.#renderShared(id, direction, family, acquire);
    return this.#renderRules(id, direction, family);
  }

  /** A jump to the chain of a policy or profile; nothing where it has no rules for the direction and family. */
  #renderShared(owner: string, direction: Direction, family: Family, acquire: Acquire): Expr[][] {
    const rendered = this.#renderRules(owner, direction, family);
    return rendered.length === 0 ? [] : [[nft.toChain('jump', acquire(owner, rendered))]];
  }

  #renderRules(owner: string, direction: Direction, family: Family): Expr[][] {
    const context: RenderContext = {
      family,
      hasNets: set => this.#sets.hasNets(set, family),
      literal: set => this.#store.literal(set),
      counter: rule => ruleCounter(owner, direction, rule.index),
      pass: nft.verdict('return'),
      log: rule => ({
        kind: 'log',
        group: logGroup,
        prefix: `${ruleCounter(owner, direction, rule.index)}`.slice(0, 127),
      }),
    };
    return (this.#rules.get(owner)?.[direction] ?? []).flatMap(rule => renderRule(rule, context));
  }

  /** Leads the interface to the programs of the endpoint that has it; to nothing, so to a drop, where none has. */
  #writeMaps(name: string): void {
    const [id] = [...(this.#claims.get(name) ?? [])].sort();
    const programs = id === undefined || !this.#endpoints.get(id)?.active ? undefined : this.#programsOf.get(id);
    const key = bytesKey(nft.interfaceNameBytes(name));
    for (const direction of directions) {
      for (const family of families) {
        const map = workloadMap(direction, family);
        const program = programs?.get(map);
        this.#ruleset.setElement(map, key, program === undefined ? undefined : this.#programs.get(program)?.chain);
      }
    }
  }
}

const noProgram: DirectionProgram = { tiers: [], profiles: [] };

type Acquire = (prefix: string, rules: Expr[][]) => string;

const profileOwner = (id: string): string => `profile/${id}`;

function ownersOf(program: DirectionProgram): string[] {
  return [...program.tiers.flatMap(tier => tier.policies), ...program.profiles.map(profileOwner)];
}

function familiesOf(endpoint: LocalEndpoint): Family[] {
  return families.filter(family => (family === 4 ? endpoint.ipv4 : endpoint.ipv6).length > 0);
}

function passesOn(rules: readonly Rule[]): boolean {
  return rules.some(rule => rule.action === 'pass');
}

function isStaged(rules: PolicyProgram | ProfileProgram | undefined): boolean {
  return rules !== undefined && 'staged' in rules && rules.staged;
}

function add<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function remove<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  values?.delete(value);
  if (values?.size === 0) index.delete(key);
}
