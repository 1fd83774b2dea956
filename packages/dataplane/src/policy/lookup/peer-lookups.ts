import type { Family } from '@calico/ip';
import type { Direction, SetId } from '@calico/policy';
import { eachInSteps, MultiMap } from '@calico/reconcile';
import type { AddressSets, ElementChange } from '../address-sets.ts';
import type { ContentStore } from '../content-store.ts';
import { identitiesMap, kernelSetName } from '../names.ts';
import type { Ruleset } from '../ruleset.ts';
import type { NetsBy, PeerPort } from './flat-rule.ts';
import { fact, Identities } from './identities.ts';
import { type MemberNet, NetClasses } from './net-classes.ts';
import { markKey } from './numbers.ts';
import { ProgramLookup } from './program-lookup.ts';
import type { FlatProgram } from './residual.ts';
import type { ResidualChains } from './residual-chains.ts';

const families = [4, 6] as const;

interface Prepared {
  readonly lookup: ProgramLookup;
  readonly family: Family;
  readonly flat: FlatProgram;
  readonly nets: NetClasses | undefined;
}

/** A program asks a set. */
interface Asking {
  readonly set: SetId;
  readonly family: Family;
  readonly program: string;
}

/** The most ports at which classes of networks may differ, summed up; beyond it each rule asks for its networks. */
const netBudget = 8_192;

/** Bytes of an address of the family. */
const addressBytes: Record<Family, number> = { 4: 4, 6: 16 };

/**
 * The lookups of all programs, and the map of identities that they share. The sets that any program asks are watched: a
 * changed member moves one address from one identity to another, and only programs that ask the set hear of it.
 *
 * What packets under way meet stays right when programs change (docs/decisions/0006): identities tell sets apart that the
 * new programs ask before these are led to (`refine`), and sets that only the old ones asked until these are left (`settle`).
 */
export class PeerLookups {
  readonly #ruleset: Ruleset;
  readonly #sets: AddressSets;
  readonly #store: ContentStore;
  readonly #chains: ResidualChains;
  readonly #budget: number;
  readonly #identities: Record<Family, Identities> = { 4: new Identities(), 6: new Identities() };
  readonly #programs = new Map<string, Prepared>();
  readonly #asking: Record<Family, MultiMap<SetId, string>> = { 4: new MultiMap(), 6: new MultiMap() };
  readonly #dirty = new Set<string>();
  /** Programs that nothing leads to any more, and sets that programs asked and ask no more. */
  readonly #leaving = new Set<string>();
  #stopped: Asking[] = [];

  /** `budget`: the most elements, rules and regions of one program. */
  constructor(ruleset: Ruleset, sets: AddressSets, store: ContentStore, chains: ResidualChains, budget: number) {
    this.#budget = budget;
    this.#ruleset = ruleset;
    this.#sets = sets;
    this.#store = store;
    this.#chains = chains;
    for (const family of families) {
      const keyType = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
      ruleset.addSet({ name: identitiesMap(family), keyType, flags: [], map: { type: 'mark' } }, []);
    }
  }

  /** Hears of every element of every set. */
  elementChanged({ id, family, part, key, present }: ElementChange): void {
    if (!this.#asking[family].has(id)) return;
    if (part === 'nets') for (const program of this.#asking[family].get(id)) this.#dirty.add(program);
    else this.#identities[family].change(...factOf(id, family, key), present);
  }

  /** Whether any identity is to be made anew, or any program filled. */
  get isChanged(): boolean {
    return this.#dirty.size > 0 || families.some(family => this.#identities[family].isChanged);
  }

  /** The programs whose networks have changed since the last call. */
  takeDirty(): string[] {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    return dirty;
  }

  /**
   * The program has these rules from now on; its maps are to be filled after the next `refine` and `applyMoves`, and have the
   * rules before until then.
   */
  *prepare(
    program: string,
    direction: Direction,
    family: Family,
    flatBy: (netsBy: NetsBy) => FlatProgram,
  ): Generator<void, ProgramLookup> {
    const { flat, nets } = this.#withNets(flatBy, family);
    const before = this.#programs.get(program);
    const lookup =
      before?.lookup ?? new ProgramLookup(program, direction, family, this.#ruleset, this.#store, this.#chains);
    this.#programs.set(program, { lookup, family, flat, nets });
    yield;
    for (const set of flat.sets) yield* this.#startAsking({ set, family, program });
    for (const set of before?.flat.sets ?? []) if (!flat.sets.has(set)) this.#stopped.push({ set, family, program });
    return lookup;
  }

  /** Nothing will lead to the program any more: its maps go when this is settled. */
  leave(program: string): void {
    this.#leaving.add(program);
  }

  /** Fills the program's maps; false when that is more than its budget. */
  *fill(program: string): Generator<void, boolean> {
    const prepared = this.#programs.get(program);
    if (prepared === undefined) throw new Error(`Cannot fill the maps of program ${program}: it was not prepared`);
    const { lookup, family, flat, nets } = prepared;
    return yield* lookup.fill({ flat, nets, identities: this.#identities[family].inAny(flat.sets) }, this.#limit);
  }

  /**
   * Identities tell apart what programs ask from now on. Gives the programs that have become larger than their budget, and
   * whether any address has another identity.
   */
  *refine(): Generator<void, { moved: boolean; tooLarge: string[] }> {
    return yield* this.#move('asked');
  }

  /** Addresses have the identities of the sets that they are in now. Gives the programs that are too large now. */
  *applyMoves(): Generator<void, string[]> {
    return (yield* this.#move('changed')).tooLarge;
  }

  /**
   * Nothing leads to what programs were before: the rest of it goes, and identities no longer tell apart what nobody asks.
   * Gives the programs that are too large now.
   */
  *settle(): Generator<void, string[]> {
    const limit = this.#limit;
    for (const program of this.#leaving) yield* this.#close(program);
    this.#leaving.clear();
    const stopped = this.#stopped;
    this.#stopped = [];
    for (const asking of stopped) {
      const isAsked = this.#programs.get(asking.program)?.flat.sets.has(asking.set) ?? false;
      if (!isAsked) yield* this.#stopAsking(asking);
    }
    yield* this.#move('asked', limit);
    const tooLarge: string[] = [];
    for (const [program, { lookup }] of this.#programs) {
      yield* lookup.settle();
      if (lookup.size > this.#budget) tooLarge.push(program);
    }
    return tooLarge;
  }

  *#close(program: string): Generator<void, void> {
    const prepared = this.#programs.get(program);
    if (prepared === undefined) return;
    this.#programs.delete(program);
    const { lookup, family, flat } = prepared;
    for (const set of flat.sets) this.#stopped.push({ set, family, program });
    yield* lookup.close();
  }

  /** The budget; twice that while identities tell apart what will be asked no more. */
  get #limit(): number {
    return this.#budget * (this.#leaving.size + this.#stopped.length > 0 ? 2 : 1);
  }

  /** Writes the new identities of addresses, and tells the programs that ask for them. */
  *#move(why: 'asked' | 'changed', limit = this.#limit): Generator<void, { moved: boolean; tooLarge: string[] }> {
    const tooLarge = new Set<string>();
    let moved = false;
    for (const family of families) {
      const map = identitiesMap(family);
      for (const move of yield* this.#identities[family].takeMovesInSteps(why)) {
        const { addresses, from, to } = move;
        moved = true;
        const number = to === undefined ? undefined : markKey(to.number);
        yield* eachInSteps(addresses, address => this.#ruleset.setElement(map, address, number));
        const programs = new Set<string>();
        for (const set of [...(from?.sets ?? []), ...(to?.sets ?? [])]) {
          for (const program of this.#asking[family].get(set)) programs.add(program);
        }
        for (const program of programs) {
          const lookup = this.#programs.get(program)?.lookup;
          if (lookup !== undefined && !(yield* lookup.move(move, limit))) tooLarge.add(program);
        }
      }
    }
    return { moved, tooLarge: [...tooLarge] };
  }

  /** The rules with the networks that they ask for, by classes if there are not too many. */
  #withNets(flatBy: (netsBy: NetsBy) => FlatProgram, family: Family): Pick<Prepared, 'flat' | 'nets'> {
    const flat = flatBy('class');
    const members = [...this.#memberNets(flat, family)];
    if (members.length === 0) return { flat, nets: undefined };
    const nets = NetClasses.of(family, members);
    if (nets !== undefined && differences(flat, nets) <= netBudget) return { flat, nets };
    const byRule = flatBy('rule');
    const ofSets = [...this.#memberNets(byRule, family)];
    return { flat: byRule, nets: ofSets.length === 0 ? undefined : new NetClasses(family, ofSets) };
  }

  *#memberNets(flat: FlatProgram, family: Family): Generator<MemberNet> {
    for (const [set, nets] of flat.literals) for (const net of nets) yield { set, net };
    for (const set of flat.sets) for (const net of this.#sets.nets(set, family)) yield { set, net };
  }

  *#startAsking({ set, family, program }: Asking): Generator<void, void> {
    if (this.#asking[family].add(set, program)) yield* this.#askAll(set, family, true);
  }

  *#stopAsking({ set, family, program }: Asking): Generator<void, void> {
    if (this.#asking[family].delete(set, program)) yield* this.#askAll(set, family, false);
  }

  *#askAll(set: SetId, family: Family, isAsked: boolean): Generator<void, void> {
    for (const part of ['hosts', 'ports'] as const) {
      const elements = this.#sets.elements(kernelSetName(set, family, part));
      yield* eachInSteps(elements, key => {
        const [address, held] = factOf(set, family, key);
        this.#identities[family].ask(address, held, isAsked);
      });
    }
  }
}

/** What an element of a set says: its key is an address, or (address, protocol, port) as a concatenation. */
function factOf(set: SetId, family: Family, key: string): [address: string, fact: string] {
  const bytes = addressBytes[family];
  return [key.slice(0, bytes), fact(set, portOf(key, bytes))];
}

/** At how many ports something else may be left for the classes of networks, summed up. */
function differences(flat: FlatProgram, nets: NetClasses): number {
  let sum = 0;
  for (const { sets } of nets.classes) {
    sum += flat.portChanges(sets);
    if (sum > netBudget) break;
  }
  return sum;
}

function portOf(key: string, at: number): PeerPort | undefined {
  if (key.length === at) return undefined;
  return { protocol: key.charCodeAt(at), port: key.charCodeAt(at + 4) * 256 + key.charCodeAt(at + 5) };
}
