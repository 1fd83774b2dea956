import { addrToBytes, bitsOf, type Cidr, type Family, firstAddr, lastAddr } from '@calico/ip';
import type { SetId } from '@calico/policy';
import { bytesKey } from '../address-sets.ts';
import { distinctNumber } from './numbers.ts';

/** A network that belongs to a set or list of networks. */
export interface MemberNet {
  readonly set: SetId;
  readonly net: Cidr;
}

/** Addresses that lie in networks of exactly the same sets. */
export interface NetClass {
  /** Names it in the kernel, the same for the same sets. */
  readonly number: number;
  readonly sets: ReadonlySet<SetId>;
}

/** A piece of the address space, the last address included. */
export interface NetPiece {
  readonly first: bigint;
  readonly last: bigint;
  readonly netClass: NetClass;
}

/** The most sets that all pieces may lie in, summed up. */
const depthBudget = 32_768;

/** The whole address space of a family, cut into pieces that do not overlap, each with the sets whose networks hold it. */
export class NetClasses {
  /** Undefined where networks lie in one another so often that classes of them would be larger than the rules. */
  static of(family: Family, members: readonly MemberNet[]): NetClasses | undefined {
    return new Boundaries(family, members).depth > depthBudget ? undefined : new NetClasses(family, members);
  }

  /** In order of their addresses; neighbours differ. */
  readonly pieces: readonly NetPiece[];
  readonly #family: Family;

  constructor(family: Family, members: Iterable<MemberNet>) {
    this.#family = family;
    this.pieces = cut(family, members);
  }

  /** Every class that has a piece. */
  get classes(): ReadonlySet<NetClass> {
    return new Set(this.pieces.map(piece => piece.netClass));
  }

  /** The class of an address, given as bytes in a Latin-1 string. */
  at(address: string): NetClass {
    let value = 0n;
    for (let i = 0; i < address.length; i++) value = (value << 8n) | BigInt(address.charCodeAt(i));
    let low = 0;
    let high = this.pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.pieces[middle]?.first ?? 0n) <= value) low = middle;
      else high = middle - 1;
    }
    const piece = this.pieces[low];
    if (piece === undefined) throw new Error('Cannot classify an address: the pieces do not cover all addresses');
    return piece.netClass;
  }

  /** The pieces as elements of an interval map: first and last address → the class's number. */
  elements(): (readonly [key: string, number: number])[] {
    const bytes = (value: bigint) => bytesKey(addrToBytes({ family: this.#family, value }));
    return this.pieces.map(({ first, last, netClass }) => [bytes(first) + bytes(last), netClass.number] as const);
  }
}

/** The addresses at which networks begin and end. */
class Boundaries {
  /** One behind the last address. */
  readonly end: bigint;
  /** Every address at which a piece begins, in order. */
  readonly points: readonly bigint[];
  readonly #starts = new Map<bigint, SetId[]>([[0n, []]]);
  readonly #ends = new Map<bigint, SetId[]>();

  constructor(family: Family, members: Iterable<MemberNet>) {
    this.end = 1n << BigInt(bitsOf(family));
    for (const { set, net } of members) {
      put(this.#starts, firstAddr(net).value, set);
      const behind = lastAddr(net).value + 1n;
      if (behind < this.end) put(this.#ends, behind, set);
    }
    const points = new Set([...this.#starts.keys(), ...this.#ends.keys()]);
    this.points = [...points].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** In how many networks the pieces lie, summed up. */
  get depth(): number {
    let open = 0;
    let depth = 0;
    for (const point of this.points) {
      open += this.starting(point).length - this.ending(point).length;
      depth += open;
    }
    return depth;
  }

  /** The sets of networks that begin at the address. */
  starting(point: bigint): readonly SetId[] {
    return this.#starts.get(point) ?? [];
  }

  /** The sets of networks that have ended before the address. */
  ending(point: bigint): readonly SetId[] {
    return this.#ends.get(point) ?? [];
  }
}

function put(at: Map<bigint, SetId[]>, key: bigint, set: SetId): void {
  const list = at.get(key);
  if (list === undefined) at.set(key, [set]);
  else list.push(set);
}

function cut(family: Family, members: Iterable<MemberNet>): NetPiece[] {
  const boundaries = new Boundaries(family, members);
  // A set can hold an address by several networks.
  const open = new Map<SetId, number>();
  const classes = new Map<string, NetClass>();
  const taken = new Set<number>();
  const pieces: { first: bigint; last: bigint; netClass: NetClass }[] = [];
  for (const [i, point] of boundaries.points.entries()) {
    for (const set of boundaries.starting(point)) open.set(set, (open.get(set) ?? 0) + 1);
    for (const set of boundaries.ending(point)) {
      const left = (open.get(set) ?? 0) - 1;
      if (left > 0) open.set(set, left);
      else open.delete(set);
    }
    const key = [...open.keys()].sort().join('\n');
    let netClass = classes.get(key);
    if (netClass === undefined) {
      netClass = { number: distinctNumber(key, number => taken.has(number)), sets: new Set(open.keys()) };
      taken.add(netClass.number);
      classes.set(key, netClass);
    }
    const last = (boundaries.points[i + 1] ?? boundaries.end) - 1n;
    const before = pieces.at(-1);
    if (before?.netClass === netClass) before.last = last;
    else pieces.push({ first: point, last, netClass });
  }
  return pieces;
}
