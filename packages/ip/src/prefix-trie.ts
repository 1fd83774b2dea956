import { type Addr, bitsOf, type Family } from './addr.ts';
import { type Cidr, isMasked, maskCidr, printCidr } from './cidr.ts';

/** One prefix of a trie and what is stored under it. */
export interface PrefixTrieEntry<V> {
  readonly cidr: Cidr;
  readonly value: V;
}

/** A prefix as four 32-bit words, most significant first (IPv4 uses the first alone), and its length in bits. */
interface Bits {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  readonly length: number;
}

/**
 * A branch or an entry. The prefix of a node covers those of its children, which differ in the bit after it. A node
 * without an entry exists only to join two children.
 */
interface Node<V> extends Bits {
  entry: PrefixTrieEntry<V> | undefined;
  zero: Node<V> | undefined;
  one: Node<V> | undefined;
}

function toBits(c: Cidr): Bits {
  const { family, value } = c.addr;
  if (family === 4) return { w0: Number(value) | 0, w1: 0, w2: 0, w3: 0, length: c.length };
  const word = (shift: bigint) => Number((value >> shift) & 0xffff_ffffn) | 0;
  return { w0: word(96n), w1: word(64n), w2: word(32n), w3: word(0n), length: c.length };
}

/** How many leading bits two prefixes share, at most the shorter length. */
function sharedBits(a: Bits, b: Bits): number {
  let shared: number;
  if (a.w0 !== b.w0) shared = Math.clz32(a.w0 ^ b.w0);
  else if (a.w1 !== b.w1) shared = 32 + Math.clz32(a.w1 ^ b.w1);
  else if (a.w2 !== b.w2) shared = 64 + Math.clz32(a.w2 ^ b.w2);
  else shared = 96 + Math.clz32(a.w3 ^ b.w3);
  return Math.min(shared, a.length, b.length);
}

/** Whether the bit at a place (0 is the most significant) is one. */
function bitAt(b: Bits, place: number): boolean {
  const word = place < 32 ? b.w0 : place < 64 ? b.w1 : place < 96 ? b.w2 : b.w3;
  return ((word >>> (31 - (place & 31))) & 1) === 1;
}

/** The word at an index with every bit from `length` on cleared. */
function maskWord(word: number, index: number, length: number): number {
  const kept = length - index * 32;
  if (kept >= 32) return word;
  return kept <= 0 ? 0 : word & (-1 << (32 - kept));
}

function shorten(b: Bits, length: number): Bits {
  return {
    w0: maskWord(b.w0, 0, length),
    w1: maskWord(b.w1, 1, length),
    w2: maskWord(b.w2, 2, length),
    w3: maskWord(b.w3, 3, length),
    length,
  };
}

function newNode<V>(bits: Bits, entry: PrefixTrieEntry<V> | undefined): Node<V> {
  const { w0, w1, w2, w3, length } = bits;
  return { w0, w1, w2, w3, length, entry, zero: undefined, one: undefined };
}

function child<V>(node: Node<V>, one: boolean): Node<V> | undefined {
  return one ? node.one : node.zero;
}

function setChild<V>(node: Node<V>, one: boolean, next: Node<V> | undefined): void {
  if (one) node.one = next;
  else node.zero = next;
}

/**
 * A map from prefixes of both families to values that answers which prefixes cover an address or lie in another prefix.
 * A path-compressed binary trie: every operation is O(prefix length), whatever the size. Prefixes are masked on the
 * way in. Changing the trie while one of its iterables is being read gives entries of before or after the change.
 */
export class PrefixTrie<V> {
  readonly #roots: Record<Family, Node<V> | undefined> = { 4: undefined, 6: undefined };
  #size = 0;

  /** How many prefixes are stored. */
  get size(): number {
    return this.#size;
  }

  /** Stores a value under a prefix, in place of the one there. */
  set(c: Cidr, value: V): void {
    const masked = maskCidr(c);
    const bits = toBits(masked);
    const entry = { cidr: masked, value };
    const { family } = masked.addr;
    let parent: Node<V> | undefined;
    let node = this.#roots[family];
    for (;;) {
      if (node === undefined) {
        this.#link(family, parent, newNode(bits, entry));
        this.#size++;
        return;
      }
      const shared = sharedBits(node, bits);
      if (shared < node.length) {
        this.#link(family, parent, joined(node, newNode(bits, entry), shared));
        this.#size++;
        return;
      }
      if (node.length === bits.length) {
        if (node.entry === undefined) this.#size++;
        node.entry = entry;
        return;
      }
      parent = node;
      node = child(node, bitAt(bits, node.length));
    }
  }

  /** The value under exactly this prefix. */
  get(c: Cidr): V | undefined {
    return this.#find(c)?.value;
  }

  /** Whether exactly this prefix is stored. */
  has(c: Cidr): boolean {
    return this.#find(c) !== undefined;
  }

  /** Forgets a prefix; gives whether it was stored. */
  delete(c: Cidr): boolean {
    const bits = toBits(maskCidr(c));
    const { family } = c.addr;
    let grandparent: Node<V> | undefined;
    let parent: Node<V> | undefined;
    let node = this.#roots[family];
    while (node !== undefined && node.length < bits.length) {
      grandparent = parent;
      parent = node;
      node = child(node, bitAt(bits, node.length));
    }
    if (node?.entry === undefined || node.length !== bits.length || sharedBits(node, bits) < bits.length) return false;
    node.entry = undefined;
    this.#size--;
    if (node.zero !== undefined && node.one !== undefined) return true;
    const only = node.zero ?? node.one;
    this.#link(family, parent, only, bits);
    if (only === undefined && parent !== undefined && parent.entry === undefined) {
      this.#link(family, grandparent, parent.zero ?? parent.one, bits);
    }
    return true;
  }

  /** The narrowest stored prefix that covers an address or a prefix (itself included). */
  longestMatch(target: Addr | Cidr): PrefixTrieEntry<V> | undefined {
    let best: PrefixTrieEntry<V> | undefined;
    for (const node of this.#path(target)) best = node.entry ?? best;
    return best;
  }

  /** The stored prefixes that cover an address or a prefix (itself included), the shortest first. */
  *covering(target: Addr | Cidr): Generator<PrefixTrieEntry<V>> {
    for (const node of this.#path(target)) if (node.entry !== undefined) yield node.entry;
  }

  /** The stored prefixes inside a prefix (itself included), sorted by address, the wider first. */
  *coveredBy(c: Cidr): Generator<PrefixTrieEntry<V>> {
    const bits = toBits(maskCidr(c));
    let node = this.#roots[c.addr.family];
    while (node !== undefined && node.length < bits.length) node = child(node, bitAt(bits, node.length));
    if (node !== undefined && sharedBits(node, bits) === bits.length) yield* subtree(node);
  }

  /** Every stored prefix, IPv4 first, sorted by address, the wider first. */
  *entries(): Generator<PrefixTrieEntry<V>> {
    for (const family of [4, 6] as const) {
      const root = this.#roots[family];
      if (root !== undefined) yield* subtree(root);
    }
  }

  [Symbol.iterator](): Generator<PrefixTrieEntry<V>> {
    return this.entries();
  }

  /** Throws when the trie breaks one of its own rules: shape, masks, places of children, size. */
  check(): void {
    let entries = 0;
    for (const family of [4, 6] as const) {
      const root = this.#roots[family];
      if (root !== undefined) entries += checkNode(root, family);
    }
    if (entries !== this.#size) throw new Error(`Cannot trust trie: size is ${this.#size}; entries are ${entries}`);
  }

  #find(c: Cidr): PrefixTrieEntry<V> | undefined {
    const bits = toBits(maskCidr(c));
    let node = this.#roots[c.addr.family];
    while (node !== undefined && node.length < bits.length) node = child(node, bitAt(bits, node.length));
    if (node === undefined || node.length !== bits.length || sharedBits(node, bits) < bits.length) return undefined;
    return node.entry;
  }

  /** The nodes whose prefix covers the target, from the root down. */
  #path(target: Addr | Cidr): Node<V>[] {
    const c = 'addr' in target ? maskCidr(target) : { addr: target, length: bitsOf(target.family) };
    const bits = toBits(c);
    const path: Node<V>[] = [];
    let node = this.#roots[c.addr.family];
    while (node !== undefined && sharedBits(node, bits) === node.length) {
      path.push(node);
      if (node.length === bits.length) break;
      node = child(node, bitAt(bits, node.length));
    }
    return path;
  }

  /** Puts a node (or nothing) in the place below a parent; the place is that of `bits`, by default the node's own. */
  #link(family: Family, parent: Node<V> | undefined, node: Node<V> | undefined, bits: Bits | undefined = node): void {
    if (parent === undefined) this.#roots[family] = node;
    else if (bits !== undefined) setChild(parent, bitAt(bits, parent.length), node);
  }
}

/** What stands in the place of `existing` once `added` is there too; they share so many leading bits. */
function joined<V>(existing: Node<V>, added: Node<V>, shared: number): Node<V> {
  const top = shared === added.length ? added : newNode<V>(shorten(added, shared), undefined);
  setChild(top, bitAt(existing, shared), existing);
  if (top !== added) setChild(top, bitAt(added, shared), added);
  return top;
}

function* subtree<V>(root: Node<V>): Generator<PrefixTrieEntry<V>> {
  const stack: Node<V>[] = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.one !== undefined) stack.push(node.one);
    if (node.zero !== undefined) stack.push(node.zero);
    if (node.entry !== undefined) yield node.entry;
  }
}

function checkNode<V>(node: Node<V>, family: Family): number {
  const { entry, length } = node;
  const fail = (what: string) => {
    throw new Error(`Cannot trust trie: node of IPv${family} at length ${length} ${what}`);
  };
  if (entry === undefined && (node.zero === undefined || node.one === undefined)) fail('has no entry and no fork');
  if (entry !== undefined) {
    const c = entry.cidr;
    if (!isMasked(c)) fail(`holds ${printCidr(c)}, which is not masked`);
    if (c.addr.family !== family || c.length !== length || sharedBits(toBits(c), node) !== length) {
      fail(`holds ${printCidr(c)}`);
    }
  }
  let entries = entry === undefined ? 0 : 1;
  for (const one of [false, true]) {
    const next = child(node, one);
    if (next === undefined) continue;
    if (next.length <= length || sharedBits(next, node) !== length) fail('does not cover its child');
    if (bitAt(next, length) !== one) fail('has a child in the wrong place');
    entries += checkNode(next, family);
  }
  return entries;
}
