import { type PolicyProgram, type ProfileProgram, type SetId, setsOf } from '@calico/policy';
import type { IpSets } from './ip-sets.ts';
import { Outbox } from './outbox.ts';
import type { Translated } from './translate-policy.ts';

/** The active programs of one kind, policies or profiles; while active, each is a user of the sets that it asks. */
export class Programs<Program extends PolicyProgram | ProfileProgram> {
  readonly outbox = new Outbox<Program>();
  readonly #active = new Map<string, Program>();
  readonly #ipSets: IpSets;

  constructor(ipSets: IpSets) {
    this.#ipSets = ipSets;
  }

  /** The program `id` is now active with this content; undefined: it is not active. */
  set(id: string, translated: Translated<Program> | undefined): void {
    const before = this.#active.get(id);
    for (const definition of translated?.sets.values() ?? []) this.#ipSets.acquire(definition);
    if (translated === undefined) this.#active.delete(id);
    else this.#active.set(id, translated.program);
    if (before !== undefined) for (const set of setsOf(before)) this.#ipSets.release(set);
    this.outbox.put(id, translated?.program);
  }

  /** How many active programs ask each set, for checks. */
  countUsers(into: Map<SetId, number>): void {
    for (const program of this.#active.values()) {
      for (const set of setsOf(program)) into.set(set, (into.get(set) ?? 0) + 1);
    }
  }

  get size(): number {
    return this.#active.size;
  }
}
