import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import type { Family } from '@calico/ip';

import type { Direction, DirectionProgram, PolicyProgram, ProfileProgram, SetId, World } from '@calico/policy';

import { eachInSteps, finished, MultiMap } from '@calico/reconcile';

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

/** What only packets under way still meet, until what they meet now is written. */
interface Left {
  readonly chains: string[];
  readonly sets: Set<SetId>;
}

function noneLeft(): Left {
  return { chains: [], sets: new Set() };
}

/**
 * How far the ruleset is: addresses have identities that tell apart what programs will ask, and nothing else has changed; packets
 * meet what they should; and nothing is left of what they met before.
 */
export type Stage = 'refined' | 'switched' | 'settled';

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
  readonly #goneSets = new Set<SetId>();
  #left = noneLeft();
  #isSettled = true;
  #isRefined = false;

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
    this.#isRefined = false;
    switch (message.kind) {
      case 'ipSetUpdate':
        this.#goneSets.delete(message.id);
        this.#left.sets.delete(message.id);
        this.#sets.update(message.id, message.type, message.members);
        return;
      case 'ipSetDelta':
        this.#sets.change(message.id, message.added, message.removed);
        return;
      case 'ipSetRemove':
        // Packets under way may still ask it.
        this.#goneSets.add(message.id);
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

  /** Brings the ruleset up to date with everything handled so far, whatever packets under way would meet. */
  compile(): void {
    while (finished(this.compileInSteps()) !== 'settled');
  }

  /**
   * Brings the ruleset one stage on to what has been handled so far, and says which one it is at: it is to be written before the
   * next call, until it is settled. Nothing may be handled between the first step of a call and its last.
   *
   * So packets under way find what they ask (docs/decisions/0006): first identities tell apart what new programs will ask;
   * then what packets meet is switched; then what they meet no more goes.
   */
  *compileInSteps(): Generator<void, Stage> {
    if (!this.#isRefined) {
      if (!this.#isSettled) yield* this.#settle();
      if (!this.#isDirty) {
        this.interfaces.write();
        return 'settled';
      }
      for (const set of this.#goneSets) {
        // Only what nobody asks from now on is kept for packets under way.
        if (!this.#book.isAsked(set)) continue;
        this.#goneSets.delete(set);
        this.#sets.remove(set);
        yield;
      }
      for (const id of this.#dirtyEndpoints) {
        this.#assignPrograms(id);
        yield;
      }
      this.#dirtyEndpoints.clear();
      for (const key of this.#lookups.takeDirty()) this.#dirtyPrograms.add(key);
      this.#isRefined = true;
      if (yield* this.#refine()) return 'refined';
    }
    yield* this.#switch();
    while (this.#dirtyPrograms.size > 0) {
      // A program that turned out too large for lookups is compiled once more.
      yield* this.#refine();
      yield* this.#switch();
    }
    this.interfaces.write();
    for (const set of this.#goneSets) this.#left.sets.add(set);
    this.#goneSets.clear();
    this.#isRefined = false;
    this.#isSettled = false;
    return 'switched';
  }

  get #isDirty(): boolean {
    return this.#dirtyEndpoints.size + this.#dirtyPrograms.size + this.#goneSets.size > 0 || this.#lookups.isChanged;
  }

  /**
   * Every program that changes says what it asks, and identities tell that apart. Gives whether packets meet an address by
   * another identity for that, in a program that changes.
   */
  *#refine(): Generator<void, boolean> {
    let wasAsked = false;
    let moved = false;
    for (;;) {
      for (const key of this.#dirtyPrograms) {
        const compiled = this.#programs.get(key);
        if (compiled === undefined) continue;
        if (compiled.lookup !== undefined && compiled.chain !== undefined) wasAsked = true;
        if (compiled.endpoints.size > 0) yield* this.#prepare(key, compiled);
      }
      const refined = yield* this.#lookups.refine();
      if (refined.moved) moved = true;
      if (refined.tooLarge.length === 0) return wasAsked && moved;
      for (const key of refined.tooLarge) this.#setTooLarge(key);
    }
  }

  /** All programs are what they should be, and interfaces lead to them; what they were stays until it is settled. */
  *#switch(): Generator<void, void> {
    const tooLarge = yield* this.#lookups.applyMoves();
    for (const key of this.#dirtyPrograms) {
      const compiled = this.#programs.get(key);
      if (compiled === undefined) continue;
      if (compiled.chain !== undefined) this.#left.chains.push(compiled.chain);
      if (compiled.endpoints.size === 0) {
        this.#forgetProgram(key, compiled);
        continue;
      }
      if (compiled.lookup !== undefined && !(yield* this.#lookups.fill(key))) tooLarge.push(key);
      const chain = this.#compileProgram(compiled);
      for (const id of chain === compiled.chain ? [] : compiled.endpoints) this.#markInterface(id);
      compiled.chain = chain;
      yield;
    }
    this.#dirtyPrograms.clear();
    for (const key of tooLarge) this.#setTooLarge(key);
  }

  /** Nothing leads any more to what is left of programs before. */
  *#settle(): Generator<void, void> {
    const { chains, sets } = this.#left;
    this.#left = noneLeft();
    this.#isSettled = true;
    yield* eachInSteps(chains, chain => this.#store.release(chain));
    for (const key of yield* this.#lookups.settle()) this.#setTooLarge(key);
    for (const set of sets) {
      this.#sets.remove(set);
      yield;
    }
  }

  #setTooLarge(key: string): void {
    const compiled = this.#programs.get(key);
    // Else it is left already.
    if (compiled?.lookup === undefined) return;
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

  #forgetProgram(key: string, compiled: CompiledProgram): void {
    this.#programs.delete(key);
    for (const owner of ownersOf(compiled.program)) this.#programsUsing.delete(owner, key);
    this.#dropLookup(key, compiled);
  }

  #dropLookup(key: string, compiled: CompiledProgram): void {
    if (compiled.lookup === undefined) return;
    this.#lookups.leave(key);
    compiled.lookup = undefined;
  }

  /** Chooses the program's form, and has the sets that lookups need made into identities. */
  *#prepare(key: string, compiled: CompiledProgram): Generator<void, void> {
    const { direction, family, program } = compiled;
    const isSmall = this.#book.ruleCount(program, direction, family) <= this.#rulesInOrder;
    const flat = (netsBy: NetsBy) => this.#book.flatProgram(program, direction, family, netsBy);
    if (compiled.tooLarge || isSmall) this.#dropLookup(key, compiled);
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
