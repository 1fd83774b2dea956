import { type ElementForm, elementForm } from './encode-elements.ts';
import { fieldsOf, paddedLength, typeLength } from './field-type.ts';
import { compareKeys, keysEqual } from './keys.ts';
import { Refusal } from './refusal.ts';
import type { Element, SetSpec } from './types.ts';

/** An element as it is kept: its counter runs. */
export type FakeElement = Omit<Element, 'counter'> & { counter?: { packets: number; bytes: number } };

type Cut = (key: Uint8Array) => Uint8Array;

function mapKey(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function lastOf(e: Element): Uint8Array {
  return e.keyEnd ?? e.key;
}

function sameData(a: Element['data'], b: Element['data']): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && keysEqual(a, b);
  }
  return JSON.stringify(a) === JSON.stringify(b);
}

/** One set or map in memory, with the kernel's rules about which elements may stand beside each other. */
export class FakeSet {
  readonly spec: SetSpec;
  readonly sequence: number;
  readonly form: ElementForm;
  readonly keyLength: number;
  /** How many rules refer to the set. */
  uses = 0;
  readonly #cuts: readonly Cut[];
  readonly #singles = new Map<string, FakeElement>();
  /** Plain intervals in order of their keys, concatenations in order of insertion, which decides who matches. */
  #ranges: FakeElement[] = [];

  constructor(spec: SetSpec, sequence: number) {
    this.spec = spec;
    this.sequence = sequence;
    this.form = elementForm(spec);
    this.keyLength = typeLength(spec.keyType);
    this.#cuts = keyCuts(spec, this.form);
  }

  get size(): number {
    return this.#singles.size + this.#ranges.length;
  }

  elements(): readonly FakeElement[] {
    return this.form === 'single' ? [...this.#singles.values()] : this.#ranges;
  }

  /**
   * Adds an element; gives what takes it out again, or undefined where it was there already with the same data. Throws
   * Refusal EEXIST (there with `create` or with other data, or overlapping), EINVAL, ENFILE (full).
   */
  add(element: Element, create: boolean): (() => void) | undefined {
    this.#validate(element);
    const existing = this.#exact(element);
    if (existing !== undefined) {
      if (create) throw new Refusal('EEXIST');
      if (!sameData(existing.data, element.data)) throw new Refusal('EEXIST');
      return undefined;
    }
    if (this.spec.size !== undefined && this.size >= this.spec.size) throw new Refusal('ENFILE');
    const { keyEnd, ...single } = element;
    const kept: FakeElement = keyEnd === undefined || keysEqual(keyEnd, element.key) ? single : { ...element };
    if (this.spec.counters) kept.counter = { packets: 0, bytes: 0 };
    this.#insert(kept);
    return () => this.#remove(kept);
  }

  /** Takes an element out; gives what puts it back. Throws Refusal ENOENT. */
  delete(element: Element): { readonly element: FakeElement; readonly undo: () => void } {
    // linux/net/netfilter/nft_set_pipapo.c nft_pipapo_deactivate asks for the first corner only.
    const existing = this.form === 'concat' ? this.find(element.key) : this.#exact(element);
    if (existing === undefined) throw new Refusal('ENOENT');
    const position = this.#ranges.indexOf(existing);
    this.#remove(existing);
    return {
      element: existing,
      undo: () => {
        if (this.form === 'single') this.#singles.set(mapKey(existing.key), existing);
        else this.#ranges.splice(position, 0, existing);
      },
    };
  }

  /** The element that a packet with this key meets. */
  find(key: Uint8Array): FakeElement | undefined {
    if (this.form === 'single') return this.#singles.get(mapKey(key));
    if (this.form === 'concat') return this.#ranges.find(e => this.#crosses(e, { key }));
    const before = this.#ranges[this.#after(key) - 1];
    return before !== undefined && compareKeys(key, lastOf(before)) <= 0 ? before : undefined;
  }

  /** Pairs of elements that share a key, which the kernel does not always refuse in concatenations. */
  overlaps(): (readonly [Element, Element])[] {
    if (this.form !== 'concat') return [];
    return this.#ranges.flatMap((a, i) =>
      this.#ranges
        .slice(i + 1)
        .filter(b => this.#crosses(a, b))
        .map(b => [a, b] as const),
    );
  }

  #validate(element: Element): void {
    const lengths = [element.key, lastOf(element)].map(key => key.length);
    if (lengths.some(length => length !== this.keyLength)) throw new Refusal('EINVAL');
    if (element.keyEnd !== undefined && this.form === 'single') throw new Refusal('EINVAL');
    if ((element.data !== undefined) !== (this.spec.map !== undefined)) throw new Refusal('EINVAL');
    const ordered = this.#cuts.every(cut => compareKeys(cut(element.key), cut(lastOf(element))) <= 0);
    if (this.form !== 'single' && !ordered) throw new Refusal('EINVAL');
  }

  #exact(element: Element): FakeElement | undefined {
    if (this.form === 'single') return this.#singles.get(mapKey(element.key));
    const same = (e: Element) => keysEqual(e.key, element.key) && keysEqual(lastOf(e), lastOf(element));
    if (this.form === 'concat') return this.#ranges.find(same);
    const candidate = this.#ranges[this.#after(element.key) - 1];
    return candidate !== undefined && same(candidate) ? candidate : undefined;
  }

  #insert(element: FakeElement): void {
    if (this.form === 'single') {
      this.#singles.set(mapKey(element.key), element);
      return;
    }
    // linux/net/netfilter/nft_set_pipapo.c nft_pipapo_insert asks for the first and the last corner only.
    if (this.find(element.key) !== undefined || this.find(lastOf(element)) !== undefined) throw new Refusal('EEXIST');
    if (this.form === 'concat') {
      this.#ranges.push(element);
      return;
    }
    const at = this.#after(element.key);
    const next = this.#ranges[at];
    if (next !== undefined && compareKeys(next.key, lastOf(element)) <= 0) throw new Refusal('EEXIST');
    this.#ranges.splice(at, 0, element);
  }

  #remove(element: FakeElement): void {
    if (this.form === 'single') this.#singles.delete(mapKey(element.key));
    else this.#ranges = this.#ranges.filter(e => e !== element);
  }

  /** Position of the first plain interval that begins after the key. */
  #after(key: Uint8Array): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = this.#ranges[middle];
      if (at !== undefined && compareKeys(at.key, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #crosses(a: Element, b: Element): boolean {
    return this.#cuts.every(
      cut => compareKeys(cut(a.key), cut(lastOf(b))) <= 0 && compareKeys(cut(b.key), cut(lastOf(a))) <= 0,
    );
  }
}

/** Cut out of a key the parts that are compared one by one: fields of a concatenation, or the whole. */
function keyCuts(spec: SetSpec, form: ElementForm): Cut[] {
  if (form !== 'concat') return [key => key];
  let at = 0;
  return fieldsOf(spec.keyType).map(field => {
    const start = at;
    at += paddedLength(field);
    const end = at;
    return key => key.subarray(start, end);
  });
}
