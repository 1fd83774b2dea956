import type { Entry } from './collection.ts';

/** One committed change. `entry` of a DELETED event is the last state, under the revision of the deletion. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly entry: Entry;
  /** The version that this one replaced; absent for ADDED. */
  readonly previous: Entry | undefined;
}

/** The committed changes after the compaction point, in order of revision. */
export class History {
  #events: StoreEvent[] = [];
  #compacted: number;

  constructor(compacted: number) {
    this.#compacted = compacted;
  }

  /** Changes up to and including this revision are forgotten. */
  get compacted(): number {
    return this.#compacted;
  }

  get length(): number {
    return this.#events.length;
  }

  append(event: StoreEvent): void {
    this.#events.push(event);
  }

  #firstAfter(revision: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event !== undefined && event.entry.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The changes of a resource after a revision, or undefined when some of them are compacted. */
  since(resource: string, revision: number): StoreEvent[] | undefined {
    if (revision < this.#compacted) return undefined;
    return this.#events.slice(this.#firstAfter(revision)).filter(e => e.entry.resource === resource);
  }

  /** Forgets changes so that at most `keep` stay; gives what it forgot. */
  trim(keep: number): StoreEvent[] {
    const dropped = this.#events.splice(0, Math.max(0, this.#events.length - keep));
    this.#compacted = dropped.at(-1)?.entry.revision ?? this.#compacted;
    return dropped;
  }
}
