import type { Cidr } from '@calico/ip';
import type { Direction, Rule, SetId } from '@calico/policy';
import { contentName, ruleCounter } from '../names.ts';
import { type FlatRule, type Peer, ruleFor, setsOfPorts } from './flat-rule.ts';
import { portStarts } from './port-regions.ts';

/** A rule that is left. */
export interface ResidualRule {
  readonly owner: string;
  readonly rule: Rule;
  /** Equal keys: equal rules, wherever they stand. */
  readonly key: string;
  /** Its place among all rules of the program. */
  readonly position: number;
  /** The tier or profile that it stands in, counted from 0. */
  readonly stage: number;
}

/**
 * Rules in order with the ends of their stages: for each tier and profile the counter of the packets that no rule decided
 * and that are denied there, or undefined where they go on to the next.
 */
export interface Left {
  readonly rules: readonly ResidualRule[];
  readonly ends: readonly (string | undefined)[];
}

/** The rules of a tier or profile. */
export interface Stage<R> {
  readonly rules: readonly R[];
  /** Counter of the packets that no rule decided, which are denied; undefined: they go on to the next stage. */
  readonly denies: string | undefined;
}

/** What of some rules a packet can reach. */
export interface Residual {
  readonly stages: readonly Stage<ResidualRule>[];
  readonly ruleCount: number;
  /** Equal keys: equal stages. */
  readonly key: string;
}

/** Leaves out what no packet can reach: all behind a rule that decides every packet. */
export function reachable({ rules, ends }: Left): Residual {
  const stages: Stage<ResidualRule>[] = [];
  let ruleCount = 0;
  let next = 0;
  for (const [number, denies] of ends.entries()) {
    const own: ResidualRule[] = [];
    let passes = false;
    let decided = false;
    for (let one = rules[next]; one !== undefined && one.stage === number; one = rules[++next]) {
      if (decided) continue;
      own.push(one);
      const { action, matches } = one.rule;
      if (action === 'pass') passes = true;
      decided = action !== 'log' && matches.length === 0;
    }
    const end = decided ? undefined : denies;
    if (own.length > 0 || end !== undefined) stages.push({ rules: own, denies: end });
    ruleCount += own.length;
    if (!passes && (decided || end !== undefined)) break;
  }
  const key = stages.map(stage => `${stage.rules.map(rule => rule.key).join(' ')}|${stage.denies ?? ''}`).join('\n');
  return { stages, ruleCount, key };
}

/** The rules of both, in their order. */
export function merged(a: readonly ResidualRule[], b: readonly ResidualRule[]): readonly ResidualRule[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  return [...a, ...b].sort((x, y) => x.position - y.position);
}

/** The rules that hold for a peer's networks, whatever sets the peer is in. */
export interface Base extends Left {
  /** Equal keys: equal rules and ends, in the same order. */
  readonly key: string;
}

/** What is left of a program for a peer: the rules for its networks, and those for the sets that it is in. */
export interface PeerRules {
  readonly base: Base;
  readonly specific: readonly ResidualRule[];
  /** Equal keys: what is left is equal, and in the same order. */
  readonly key: string;
}

/** Puts both together; `specific` in its order. */
export function peerRules(base: Base, specific: readonly ResidualRule[]): PeerRules {
  const placed = specific.map(rule => `${inStage(rule)}@${countBefore(base.rules, rule.position)}`);
  return { base, specific, key: `${base.key} ${placed.join(' ')}` };
}

const inStage = ({ key, stage }: ResidualRule): string => `${key}/${stage}`;

/** How many of the rules stand before the position. */
function countBefore(rules: readonly ResidualRule[], position: number): number {
  let [low, high] = [0, rules.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rules[middle]?.position ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One direction of one family of a program, made ready to say what is left of it for a peer. */
export class FlatProgram {
  /** The sets that the rules ask about the peer's address. */
  readonly sets: ReadonlySet<SetId>;
  /** The lists of networks that the rules ask about the peer's address. */
  readonly literals: ReadonlyMap<string, readonly Cidr[]>;
  readonly #ends: readonly (string | undefined)[];
  readonly #rules: { readonly stage: number; readonly flat: FlatRule }[] = [];
  /** Positions of the rules that ask for no set; of the others those that need a set, and those that any peer may meet. */
  readonly #plain: number[] = [];
  readonly #needing = new Map<SetId, number[]>();
  readonly #asking: number[] = [];

  constructor(stages: readonly Stage<FlatRule>[]) {
    this.#ends = stages.map(stage => stage.denies);
    const sets = new Set<SetId>();
    const literals = new Map<string, readonly Cidr[]>();
    for (const [stage, { rules }] of stages.entries()) {
      for (const flat of rules) {
        const position = this.#rules.push({ stage, flat }) - 1;
        for (const [name, nets] of flat.literals) literals.set(name, nets);
        for (const { set } of flat.asked) if (!flat.literals.has(set)) sets.add(set);
        for (const match of flat.peerPorts) for (const set of setsOfPorts(match)) sets.add(set);
        if (flat.peerPorts.length === 0 && flat.asked.every(({ set }) => flat.literals.has(set))) {
          this.#plain.push(position);
        } else if (flat.needsOneOf === undefined) this.#asking.push(position);
        else for (const set of flat.needsOneOf) this.#needingList(set).push(position);
      }
    }
    this.sets = sets;
    this.literals = literals;
  }

  /** The counters of all rules, and of what tiers and profiles deny: they are kept whether a peer meets them or not. */
  counters(direction: Direction): Set<string> {
    const denies = this.#ends.flatMap(end => end ?? []);
    return new Set([...denies, ...this.#rules.map(({ flat }) => ruleCounter(flat.owner, direction, flat.rest.index))]);
  }

  /** The rules that ask for no set and hold for a peer that lies in these lists of networks. */
  base(networks: ReadonlySet<SetId>): Base {
    const rules = this.#plain.flatMap(position => this.#ruleAt(position, { sets: networks, ports: noPorts }));
    const key = contentName('', `${rules.map(inStage).join(' ')}\n${this.#ends.join('\n')}`);
    return { rules, ends: this.#ends, key };
  }

  /** At how many ports something else may be left for a peer that lies in these lists of networks. */
  portChanges(networks: ReadonlySet<SetId>): number {
    const starts = new Set<number>();
    for (const position of this.#plain) {
      const flat = this.#rules[position]?.flat;
      if (flat === undefined || flat.asked.some(({ set, negated }) => networks.has(set) === negated)) continue;
      for (const start of startsOf(flat)) starts.add(start);
    }
    return starts.size;
  }

  /** The rules that ask for sets and hold for the peer, in their order. */
  specific(peer: Peer): readonly ResidualRule[] {
    const positions = this.#asking.slice();
    for (const set of peer.sets) positions.push(...(this.#needing.get(set) ?? []));
    if (positions.length > 1) positions.sort((a, b) => a - b);
    // A rule that needs one of several sets is found by each of them.
    return positions.flatMap((position, i) => (position === positions[i - 1] ? [] : this.#ruleAt(position, peer)));
  }

  #ruleAt(position: number, peer: Peer): ResidualRule[] {
    const found = this.#rules[position];
    if (found === undefined) throw new Error(`Cannot find rule ${position} of a program: its index is inconsistent`);
    const { flat, stage } = found;
    return ruleFor(flat, peer).map(({ rule, key }) => ({ owner: flat.owner, rule, key, position, stage }));
  }

  #needingList(set: SetId): number[] {
    let list = this.#needing.get(set);
    if (list === undefined) {
      list = [];
      this.#needing.set(set, list);
    }
    return list;
  }
}

const knownStarts = new WeakMap<FlatRule, readonly number[]>();

function startsOf(flat: FlatRule): readonly number[] {
  let starts = knownStarts.get(flat);
  if (starts === undefined) {
    starts = portStarts([flat.rest]);
    knownStarts.set(flat, starts);
  }
  return starts;
}

const noPorts: Peer['ports'] = new Map();
