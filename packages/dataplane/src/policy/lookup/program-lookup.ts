import type { Family } from '@calico/ip';
import type { Expr, SetSpec } from '@calico/kernel';
import type { Direction } from '@calico/policy';
import { eachInSteps } from '@calico/reconcile';
import { type ContentStore, literalName } from '../content-store.ts';
import * as nft from '../expressions.ts';
import { identitiesMap, lookupMap } from '../names.ts';
import type { LiteralSet } from '../render-rule.ts';
import type { Ruleset } from '../ruleset.ts';
import { type Peer, peerSide } from './flat-rule.ts';
import type { Identity, Move } from './identities.ts';
import type { NetClass, NetClasses } from './net-classes.ts';
import { distinctNumber, markKey } from './numbers.ts';
import { type Base, type FlatProgram, type PeerRules, peerRules } from './residual.ts';
import type { ResidualChains } from './residual-chains.ts';

/** An element of the map of classes. */
interface Entry {
  readonly rules: PeerRules;
  readonly chain: string;
  /** How many addresses are looked up by it; elements for no identity have one more. */
  uses: number;
}

/** A chain under the number that the maps call it by. */
interface Class {
  readonly number: number;
  readonly size: number;
  /** Elements that lead to it; also those that packets under way alone still ask. */
  uses: number;
  /** Elements that lead to it and are there to stay. */
  lasting: number;
}

/** Maps that a program had before, which packets under way still ask. */
interface Left {
  readonly map: string;
  readonly entries: readonly Entry[];
}

/** What the maps are filled from. */
export interface LookupContent {
  readonly flat: FlatProgram;
  /** Undefined where the rules ask for no networks. */
  readonly nets: NetClasses | undefined;
  /** The identities of which the rules ask a set. */
  readonly identities: Iterable<Identity>;
}

/**
 * A program as lookups: the peer's address gives its identity (a map of the whole node) and its class of networks (a map
 * of the program); both together the program's class for it, and that the chain with what is left of the program for such
 * peers. A peer that is in no set has no identity. Only the last step, a verdict map, makes the kernel check the table
 * for loops when it changes; a relabelled pod changes only the first, which holds plain numbers.
 */
export class ProgramLookup {
  readonly #name: string;
  readonly #direction: Direction;
  readonly #family: Family;
  readonly #ruleset: Ruleset;
  readonly #store: ContentStore;
  readonly #chains: ResidualChains;
  #flat: FlatProgram | undefined;
  #nets: NetClasses | undefined;
  /** The networks as a map, and the map of classes that is asked with what it says. */
  #netsMap: LiteralSet | undefined;
  #classesMap: string;
  #entries = new Map<string, Entry>();
  /** While the maps are filled, the elements that they had, less those that stay as they are. */
  #previous: Map<string, Entry> | undefined;
  #bases = new Map<NetClass | undefined, Base>();
  /** The rules for classes of networks by their keys, as long as they are the same: chains keep work done for them. */
  #knownBases = new Map<string, Base>();
  readonly #classes = new Map<string, Class>();
  readonly #taken = new Map<number, string>();
  #counters: ReadonlySet<string> = new Set();
  #size = 0;
  #left: Left[] = [];
  /** It crossed a limit: the maps are of no use, and not kept up. */
  #isTooLarge = false;
  /** What becomes of peers without an identity or class of networks that the rules ask for. */
  #default: Entry | undefined;

  /** `name` is the program's, content-named. */
  constructor(
    name: string,
    direction: Direction,
    family: Family,
    ruleset: Ruleset,
    store: ContentStore,
    chains: ResidualChains,
  ) {
    this.#name = name;
    this.#direction = direction;
    this.#family = family;
    this.#ruleset = ruleset;
    this.#store = store;
    this.#chains = chains;
    this.#classesMap = lookupMap(name, 'classes');
    ruleset.addSet(this.#verdictsSpec(), [], 2);
  }

  /** Elements, rules and regions in the kernel, less those that are about to go. */
  get size(): number {
    return this.#size + this.#entries.size;
  }

  /**
   * Makes the maps hold exactly this, in steps; false when their size is above the limit: then they are of no use, only to
   * be closed. Other networks have another map of classes, and so has a program that asks for identities now or no more, so
   * that no packet asks the one by what the other said; the one before goes with `settle`.
   */
  *fill({ flat, nets, identities }: LookupContent, limit: number): Generator<void, boolean> {
    const before = {
      entries: this.#entries,
      map: this.#classesMap,
      default: this.#default,
      counters: this.#counters,
    };
    this.#counters = flat.counters(this.#direction);
    for (const counter of this.#counters) this.#store.acquireCounter(counter);
    this.#flat = flat;
    this.#nets = nets;
    this.#netsMap = nets && this.#asMap(nets);
    const asked = flat.sets.size === 0 ? 'nobody' : 'identities';
    this.#classesMap = lookupMap(
      this.#name,
      this.#netsMap === undefined ? 'classes' : `net-classes/${asked}/${literalName(this.#netsMap)}`,
    );
    const present = (): Entry[] => [
      ...before.entries.values(),
      ...(before.default === undefined ? [] : [before.default]),
    ];
    yield* eachInSteps(present(), entry => this.#countLasting(entry, -1));
    this.#knownBases = new Map([...this.#bases.values()].map(base => [base.key, base]));
    this.#bases = new Map();
    this.#entries = new Map();
    const map = this.#classesMap;
    if (map === before.map) this.#previous = before.entries;
    if (before.default === undefined || map !== before.map) this.#ruleset.addSet(this.#classesSpec(), [], 1);
    // The common chains first: those of identities lead on to them.
    this.#default = this.#entry(this.#rulesFor(nobody, undefined), 1);
    for (const netClass of nets?.classes ?? []) {
      yield;
      this.#add(pairKey(undefined, netClass), nobody, netClass, 1);
    }
    for (const identity of identities) {
      yield;
      if (this.size > limit) break;
      if (nets === undefined) this.#add(pairKey(identity, undefined), identity, undefined, identity.addresses.size);
      else for (const address of identity.addresses) this.#addAddress(identity, address);
    }
    this.#previous = undefined;
    const isReplaced = before.default !== undefined && map !== before.map;
    // Less those that stay as they are.
    const gone = present();
    if (isReplaced) this.#left.push({ map: before.map, entries: gone });
    else {
      for (const key of before.entries.keys())
        if (!this.#entries.has(key)) this.#ruleset.setElement(map, key, undefined);
      yield* eachInSteps(gone, entry => this.#leave(entry));
    }
    for (const counter of before.counters) this.#store.releaseCounter(counter);
    this.#isTooLarge = this.size > limit;
    return !this.#isTooLarge;
  }

  /** Addresses have another identity; false when the limit is crossed by it, or one was. */
  *move({ addresses, from, to }: Move, limit: number): Generator<void, boolean> {
    if (this.#default === undefined || this.#isTooLarge) return !this.#isTooLarge;
    const [comes, goes] = [from, to].map(one => one !== undefined && this.#asks(one)).reverse();
    if (this.#nets === undefined) {
      if (to !== undefined && comes) this.#add(pairKey(to, undefined), to, undefined, addresses.length);
      if (from !== undefined && goes) this.#remove(pairKey(from, undefined), addresses.length);
    } else {
      yield* eachInSteps(addresses, address => {
        if (to !== undefined && comes) this.#addAddress(to, address);
        if (from !== undefined && goes) this.#remove(pairKey(from, this.#nets?.at(address)), 1);
      });
    }
    this.#isTooLarge = this.size > limit;
    return !this.#isTooLarge;
  }

  /** No packet asks any more what the maps were before they were filled. */
  *settle(): Generator<void, void> {
    const left = this.#left;
    this.#left = [];
    for (const { map, entries } of left) {
      yield* eachInSteps(entries, entry => this.#leave(entry));
      // The networks may have come back meanwhile.
      if (map !== this.#classesMap) this.#ruleset.deleteSet(map);
    }
  }

  /** The rules of the program's chain. */
  rules(): Expr[][] {
    const side = peerSide(this.#direction);
    const common = { classes: this.#classesMap, verdicts: lookupMap(this.#name, 'verdicts') };
    const nets = this.#netsMap && this.#store.literal(this.#netsMap);
    const rules: Expr[][] = [];
    if (this.#flat !== undefined && this.#flat.sets.size > 0) {
      const identities = identitiesMap(this.#family);
      rules.push(nft.peerVerdict(this.#family, side, { ...common, identities, nets }));
    }
    if (nets !== undefined) rules.push(nft.peerVerdict(this.#family, side, { ...common, identities: undefined, nets }));
    rules.push(this.#default === undefined ? [nft.deny()] : [nft.toChain('goto', this.#default.chain)]);
    return rules;
  }

  /** Takes the maps away, in steps. */
  *close(): Generator<void, void> {
    yield* this.settle();
    for (const entry of this.#entries.values()) {
      this.#drop(entry);
      yield;
    }
    if (this.#default !== undefined) {
      this.#drop(this.#default);
      this.#ruleset.deleteSet(this.#classesMap);
    }
    this.#ruleset.deleteSet(lookupMap(this.#name, 'verdicts'));
    for (const counter of this.#counters) this.#store.releaseCounter(counter);
  }

  #asks(identity: Identity): boolean {
    for (const set of identity.sets) if (this.#flat?.sets.has(set)) return true;
    return false;
  }

  #addAddress(identity: Identity, address: string): void {
    const netClass = this.#nets?.at(address);
    this.#add(pairKey(identity, netClass), identity, netClass, 1);
  }

  #remove(key: string, uses: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new Error(`Cannot remove an address from ${this.#name}: it was never added`);
    entry.uses -= uses;
    if (entry.uses > 0) return;
    this.#entries.delete(key);
    this.#ruleset.setElement(this.#classesMap, key, undefined);
    this.#drop(entry);
  }

  #add(key: string, peer: Peer, netClass: NetClass | undefined, uses: number): void {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.uses += uses;
      return;
    }
    const rules = this.#rulesFor(peer, netClass);
    const previous = this.#previous?.get(key);
    if (previous?.rules.key === rules.key) {
      this.#previous?.delete(key);
      previous.uses = uses;
      this.#entries.set(key, previous);
      this.#countLasting(previous, 1);
      return;
    }
    const entry = this.#entry(rules, uses);
    this.#entries.set(key, entry);
    this.#ruleset.setElement(this.#classesMap, key, markKey(this.#classes.get(entry.chain)?.number ?? 0));
  }

  #rulesFor(peer: Peer, netClass: NetClass | undefined): PeerRules {
    return peerRules(this.#base(netClass), this.#flat?.specific(joined(peer, netClass)) ?? []);
  }

  #entry(rules: PeerRules, uses: number): Entry {
    const { chain, size } = this.#chains.acquire(rules, this.#direction, this.#family);
    const known = this.#classes.get(chain);
    if (known !== undefined) known.uses++;
    else {
      const number = distinctNumber(chain, candidate => this.#taken.has(candidate));
      this.#taken.set(number, chain);
      this.#classes.set(chain, { number, size, uses: 1, lasting: 0 });
      this.#ruleset.setElement(lookupMap(this.#name, 'verdicts'), markKey(number), chain);
    }
    const entry = { rules, chain, uses };
    this.#countLasting(entry, 1);
    return entry;
  }

  /** One more element that is there to stay leads to the entry's class, or one less. */
  #countLasting({ chain }: Entry, change: 1 | -1): void {
    const known = this.#classes.get(chain);
    if (known === undefined) return;
    known.lasting += change;
    if (known.lasting === 0) this.#size -= known.size;
    else if (known.lasting === 1 && change === 1) this.#size += known.size;
  }

  /** The rules for a class of networks: made once for all identities in it. */
  #base(netClass: NetClass | undefined): Base {
    let base = this.#bases.get(netClass);
    if (base === undefined) {
      const fresh = this.#flat?.base(netClass?.sets ?? nobody.sets) ?? { rules: [], ends: [], key: '' };
      const known = this.#knownBases.get(fresh.key);
      base = known !== undefined && samePositions(known, fresh) ? known : fresh;
      this.#bases.set(netClass, base);
    }
    return base;
  }

  /** An element that was there to stay goes. */
  #drop(entry: Entry): void {
    this.#countLasting(entry, -1);
    this.#leave(entry);
  }

  #leave({ rules, chain }: Entry): void {
    const known = this.#classes.get(chain);
    if (known !== undefined) {
      known.uses--;
      if (known.uses === 0) {
        this.#classes.delete(chain);
        this.#taken.delete(known.number);
        this.#ruleset.setElement(lookupMap(this.#name, 'verdicts'), markKey(known.number), undefined);
      }
    }
    this.#chains.release(rules, this.#direction, this.#family);
  }

  #classesSpec(): SetSpec {
    const keyType = this.#nets === undefined ? 'mark' : (['mark', 'mark'] as const);
    return { name: this.#classesMap, keyType, flags: [], map: { type: 'mark' } };
  }

  #verdictsSpec(): SetSpec {
    return { name: lookupMap(this.#name, 'verdicts'), keyType: 'mark', flags: [], map: 'verdict' };
  }

  #asMap(nets: NetClasses): LiteralSet {
    const entries = nets.elements().map(([key, number]) => [key, markKey(number)] as const);
    return { kind: 'classes', family: this.#family, entries };
  }
}

const nobody: Peer = { sets: new Set(), ports: new Map() };

/** The key of an element; 0 stands for no identity. */
function pairKey(identity: Identity | undefined, netClass: NetClass | undefined): string {
  return markKey(identity?.number ?? 0) + (netClass === undefined ? '' : markKey(netClass.number));
}

/** Whether rules that are the same stand where they stood: others may have come between them. */
function samePositions(a: Base, b: Base): boolean {
  return a.rules.every(({ position }, i) => position === b.rules[i]?.position);
}

function joined(peer: Peer, netClass: NetClass | undefined): Peer {
  if (netClass === undefined || netClass.sets.size === 0) return peer;
  return { sets: new Set([...peer.sets, ...netClass.sets]), ports: peer.ports };
}
