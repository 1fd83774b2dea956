import type { AnyResource } from '@calico/api';

/** Names one stored object. `resource` is `<group>/<plural>`, group empty for the core group; namespace '' is cluster scope. */
export interface ObjectKey {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** One version of an object with its JSON text, printed once. Never changed in place. */
export interface Entry extends ObjectKey {
  /** The resourceVersion, also inside `object` and `json`. */
  readonly revision: number;
  readonly object: AnyResource;
  readonly json: string;
}

/** The order of lists: namespace, then name. */
export function sortKey(key: { readonly namespace: string; readonly name: string }): string {
  return `${key.namespace}/${key.name}`;
}

/** The objects of one resource, by key and in list order. */
export class Collection {
  readonly #byKey = new Map<string, Entry>();
  readonly #sorted: Entry[] = [];

  get size(): number {
    return this.#sorted.length;
  }

  get(namespace: string, name: string): Entry | undefined {
    return this.#byKey.get(sortKey({ namespace, name }));
  }

  /** Index of the first entry whose sort key is at or after `wanted`. */
  #seek(wanted: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#sorted[middle];
      if (entry !== undefined && sortKey(entry) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  set(entry: Entry): void {
    const key = sortKey(entry);
    const at = this.#seek(key);
    this.#sorted.splice(at, this.#byKey.has(key) ? 1 : 0, entry);
    this.#byKey.set(key, entry);
  }

  delete(namespace: string, name: string): void {
    const key = sortKey({ namespace, name });
    if (this.#byKey.delete(key)) this.#sorted.splice(this.#seek(key), 1);
  }

  /** All entries, or those of one namespace, in list order. */
  list(namespace?: string): readonly Entry[] {
    if (namespace === undefined) return this.#sorted.slice();
    // '0' follows '/' in ASCII: the half-open range holds exactly the keys that start with `<namespace>/`.
    return this.#sorted.slice(this.#seek(`${namespace}/`), this.#seek(`${namespace}0`));
  }
}
