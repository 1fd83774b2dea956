import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import type { Family } from '@calico/ip';

import type { Direction, DirectionProgram, PolicyProgram, ProfileProgram, World } from '@calico/policy';

import { finished, MultiMap } from '@calico/reconcile';

import type { ProgramState } from '../tables.ts';
import { AddressSets, type ElementChange } from './address-sets.ts';
import { denying } from './base-chains.ts';
import { ContentStore } from './content-store.ts';
import * as nft from './expressions.ts';
import { InterfaceMaps } from './interface-maps.ts';
import type { NetsBy } from './lookup/flat-rule.ts';
import { PeerLookups } from './lookup/peer-lookups.ts';
import type { ProgramLookup } from './lookup/program-lookup.ts';
import { ResidualChains } from './lookup/residual-chains.ts';
import { contentName, ruleCounter } from './names.ts';
import { OrderedPrograms } from './ordered-program.ts';
import type { RenderContext } from './render-rule.ts';
import { ownersOf, profileOwner, RuleBook } from './rule-book.ts';
import type { Ruleset } from './ruleset.ts';

/** The nflog group that log rules write to; the agent reads it. Calico's groups 1 and 2 are for flow logs. */
export const logGroup = 3;

/** Up to so many rules are asked one by one: as fast as the lookups (docs/decisions/0006). */
const defaultRulesInOrder = 8;

const directions = ['ingress', 'egress'] as const;
const families = [4, 6] as const;

/** About 10 MB in the kernel, and 5 ms of its time for each new chain. A program that needs more is asked rule by rule. */
const defaultLookupBudget = 32_768;

/** One direction of one family of a program, shared by all endpoints that have it. */
interface CompiledProgram {
  readonly direction: Direction;
  readonly family: Family;
  readonly program: DirectionProgram;
  readonly endpoints: Set<EndpointId>;
  /** The chain that decides; undefined until the first compilation. */
  chain: string | undefined;
  /** The maps that the chain asks; undefined where it asks rule by rule. */
  lookup: ProgramLookup | undefined;
  /** Its lookups were found to be larger than their budget. */
  tooLarge: boolean;
}

/** What is released when everything new stands. */
interface Old {
  readonly chains: string[];
  readonly lookups: ProgramLookup[];
}

/** How programs are compiled, for tests and measurements. */
export interface PolicyCompilerOptions {
  /** Up to so many rules, of a program or of what is left of it for a peer, are asked one by one. */
  readonly rulesInOrder?: number;
  /** The most elements, rules and regions of one program's lookups. */
  readonly lookupBudget?: number;
}

/**
 * Turns policies, profiles, sets and endpoints into chains, sets and verdict maps of a ruleset.
 *
 * An endpoint's interface is looked up in a verdict map that leads to the chain of its program; endpoints with equal
 * programs share one. A program of few rules is a chain that asks them in order; a larger one is a few lookups, whose
 * number does not depend on how many policies there are.
 */
export class PolicyCompiler {
  /** The maps that lead to the programs; who hears of interfaces tells it. */
  readonly interfaces: InterfaceMaps;
  readonly #ruleset: Ruleset;
  readonly #store: ContentStore;
  readonly #sets: AddressSets;
  readonly #book = new RuleBook(set => this.#sets.portsOf(set));
  readonly #ordered: OrderedPrograms;
  readonly #lookups: PeerLookups;
  readonly #rulesInOrder: number;
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  readonly #programs = new Map<string, CompiledProgram>();
  readonly #contents = new WeakMap<DirectionProgram, string>();
  /** The programs of each endpoint, by direction and family. */
  readonly #programsOf = new Map<EndpointId, Map<string, string>>();
  /** Which programs walk a policy or profile. */
  readonly #programsUsing = new MultiMap<string, string>();
  readonly #dirtyPrograms = new Set<string>();
  readonly #dirtyEndpoints = new Set<EndpointId>();

  constructor(ruleset: Ruleset, options: PolicyCompilerOptions = {}) {
    const { rulesInOrder = defaultRulesInOrder, lookupBudget = defaultLookupBudget } = options;
    this.#ruleset = ruleset;
    // Until the base chains say otherwise.
    ruleset.setChain(denying('drop'));
    this.#rulesInOrder = rulesInOrder;
    this.#sets = new AddressSets({
      changed: change => this.#elementChanged(change),
      shapeChanged: set => {
        for (const owner of this.#book.setChanged(set)) this.#markPrograms(owner);
      },
    });
    this.#store = new ContentStore(ruleset, this.#sets);
    const contextOf = this.#context.bind(this);
    this.#ordered = new OrderedPrograms(this.#store, this.#book, contextOf);
    const chains = new ResidualChains(this.#store, contextOf, rulesInOrder);
    this.#lookups = new PeerLookups(ruleset, this.#sets, this.#store, chains, lookupBudget);
    this.interfaces = new InterfaceMaps(ruleset, this.#chainFor.bind(this));
  }

  /** How many programs are asked rule by rule because their lookups would be larger than the budget: a metric. */
  get programsOverBudget(): number {
    return [...this.#programs.values()].filter(compiled => compiled.tooLarge).length;
  }

  /** The programs of local endpoints as they are compiled: for tables and metrics. */
  *programs(): Generator<ProgramState> {
    for (const [name, { direction, family, program, endpoints, chain, lookup, tooLarge }] of this.#programs) {
      const rules = this.#book.ruleCount(program, direction, family);
      const form = lookup !== undefined ? 'lookup' : tooLarge ? 'in order, over budget' : 'in order';
      yield { name, direction, family, rules, form, chain, endpoints: endpoints.size };
    }
  }

  /** Everything handled so far as the evaluator asks it; what is unknown has no rules. */
  get world(): World {
    const none = { tier: '', staged: false, ingress: [], egress: [] };
    return {
      policy: id => (this.#book.get(id) as PolicyProgram | undefined) ?? { id, ...none },
      profile: id => this.#book.get(profileOwner(id)) ?? { id, ...none },
      setContains: (id, address, protocol, port) => this.#sets.contains(id, address, protocol, port),
    };
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

  /** All steps of `compileInSteps` at once. */
  compile(): void {
    finished(this.compileInSteps());
  }

  /** Brings the ruleset up to date with everything handled so far. Nothing may be handled until the last step. */
  *compileInSteps(): Generator<void, void> {
    // A program that turns out too large for lookups is compiled once more.
    do yield* this.#compileDirty();
    while (this.#dirtyPrograms.size > 0);
  }

  *#compileDirty(): Generator<void, void> {
    for (const id of this.#dirtyEndpoints) {
      this.#assignPrograms(id);
      yield;
    }
    for (const key of this.#lookups.takeDirty()) this.#dirtyPrograms.add(key);
    // New chains are acquired before old ones are released, so that what both use is never taken away in between.
    const old: Old = { chains: [], lookups: [] };
    const used = new Map<string, CompiledProgram>();
    const unused = new Map<string, CompiledProgram>();
    for (const key of this.#dirtyPrograms) {
      const compiled = this.#programs.get(key);
      if (compiled === undefined) continue;
      if (compiled.chain !== undefined) old.chains.push(compiled.chain);
      (compiled.endpoints.size === 0 ? unused : used).set(key, compiled);
    }
    // First every program says what it asks, then the identities are made once for all.
    for (const [key, compiled] of used) yield* this.#prepare(key, compiled, old);
    for (const [key, compiled] of unused) yield* this.#forgetProgram(key, compiled, old);
    const tooLarge = yield* this.#lookups.applyMoves(new Set(used.keys()));
    for (const [key, compiled] of used) {
      if (compiled.lookup !== undefined && !(yield* this.#lookups.fill(key))) tooLarge.push(key);
      const chain = this.#compileProgram(compiled);
      for (const id of chain === compiled.chain ? [] : compiled.endpoints) this.#markInterface(id);
      compiled.chain = chain;
      yield;
    }
    this.interfaces.write();
    for (const chain of old.chains) {
      this.#store.release(chain);
      yield;
    }
    for (const lookup of old.lookups) yield* lookup.close();
    this.#dirtyPrograms.clear();
    this.#dirtyEndpoints.clear();
    for (const key of tooLarge) this.#setTooLarge(key);
  }

  #setTooLarge(key: string): void {
    const compiled = this.#programs.get(key);
    if (compiled === undefined) return;
    compiled.tooLarge = true;
    this.#dirtyPrograms.add(key);
  }

  #elementChanged(change: ElementChange): void {
    this.#ruleset.setElement(change.set, change.key, change.present ? '' : undefined);
    this.#lookups.elementChanged(change);
  }

  #setEndpoint(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    const before = this.#endpoints.get(id);
    if (before !== undefined) this.interfaces.leave(before.name, id);
    if (endpoint === undefined) this.#endpoints.delete(id);
    else {
      this.#endpoints.set(id, endpoint);
      this.interfaces.claim(endpoint.name, id);
    }
    this.#dirtyEndpoints.add(id);
  }

  #markInterface(id: EndpointId): void {
    const name = this.#endpoints.get(id)?.name;
    if (name !== undefined) this.interfaces.changed(name);
  }

  #setRules(owner: string, rules: PolicyProgram | ProfileProgram | undefined): void {
    this.#book.set(owner, rules);
    this.#markPrograms(owner);
  }

  /** The rules of an owner have changed: what was too large may no longer be. */
  #markPrograms(owner: string): void {
    for (const key of this.#programsUsing.get(owner)) {
      this.#dirtyPrograms.add(key);
      const compiled = this.#programs.get(key);
      if (compiled !== undefined) compiled.tooLarge = false;
    }
  }

  /** Finds or makes the programs that the endpoint has now; marks those that it left and those that are new. */
  #assignPrograms(id: EndpointId): void {
    const before = [...(this.#programsOf.get(id)?.values() ?? [])];
    const endpoint = this.#endpoints.get(id);
    const now = new Map<string, string>();
    for (const direction of endpoint === undefined ? [] : directions) {
      const program = endpoint?.[direction] ?? noProgram;
      const content = this.#contentOf(program);
      for (const family of endpoint === undefined ? [] : familiesOf(endpoint)) {
        const key = contentName(`${direction}/${family}`, content);
        now.set(`${direction}/${family}`, key);
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

  /** The program as text; endpoints that are told together often share one object. */
  #contentOf(program: DirectionProgram): string {
    let content = this.#contents.get(program);
    if (content === undefined) {
      content = JSON.stringify(program);
      this.#contents.set(program, content);
    }
    return content;
  }

  #joinProgram(key: string, direction: Direction, family: Family, program: DirectionProgram, id: EndpointId): void {
    const known = this.#programs.get(key);
    if (known !== undefined) {
      known.endpoints.add(id);
      return;
    }
    const endpoints = new Set([id]);
    const fresh = { chain: undefined, lookup: undefined, tooLarge: false };
    this.#programs.set(key, { direction, family, program, endpoints, ...fresh });
    for (const owner of ownersOf(program)) this.#programsUsing.add(owner, key);
    this.#dirtyPrograms.add(key);
  }

  *#forgetProgram(key: string, compiled: CompiledProgram, old: Old): Generator<void, void> {
    this.#programs.delete(key);
    for (const owner of ownersOf(compiled.program)) this.#programsUsing.delete(owner, key);
    yield* this.#dropLookup(key, compiled, old);
  }

  *#dropLookup(key: string, compiled: CompiledProgram, old: Old): Generator<void, void> {
    if (compiled.lookup === undefined) return;
    yield* this.#lookups.forget(key);
    old.lookups.push(compiled.lookup);
    compiled.lookup = undefined;
  }

  /** Chooses the program's form, and has the sets that lookups need made into identities. */
  *#prepare(key: string, compiled: CompiledProgram, old: Old): Generator<void, void> {
    const { direction, family, program } = compiled;
    const isSmall = this.#book.ruleCount(program, direction, family) <= this.#rulesInOrder;
    const flat = (netsBy: NetsBy) => this.#book.flatProgram(program, direction, family, netsBy);
    if (compiled.tooLarge || isSmall) yield* this.#dropLookup(key, compiled, old);
    else compiled.lookup = yield* this.#lookups.prepare(key, direction, family, flat);
    yield;
  }

  #compileProgram({ direction, family, program, lookup }: CompiledProgram): string {
    if (lookup === undefined) return this.#ordered.acquire(program, direction, family);
    return this.#store.acquire(`${direction}/${family}/program`, lookup.rules());
  }

  #context(owner: string, direction: Direction, family: Family): RenderContext {
    return {
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
  }

  #chainFor(id: EndpointId, direction: Direction, family: Family): string | undefined {
    if (!this.#endpoints.get(id)?.active) return undefined;
    const program = this.#programsOf.get(id)?.get(`${direction}/${family}`);
    return program === undefined ? undefined : this.#programs.get(program)?.chain;
  }
}

const noProgram: DirectionProgram = { tiers: [], profiles: [] };

function familiesOf(endpoint: LocalEndpoint): Family[] {
  return families.filter(family => (family === 4 ? endpoint.ipv4 : endpoint.ipv6).length > 0);
}
