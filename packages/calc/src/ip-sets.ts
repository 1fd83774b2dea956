import type { SetId } from '@calico/policy';
import { Counter } from './counter.ts';
import type { Message, SetType } from './messages.ts';
import { type SetDefinition, setType } from './set-definition.ts';

/** Fills a set while somebody asks it. */
export interface MemberSource {
  start(definition: SetDefinition): void;
  stop(definition: SetDefinition): void;
}

interface IpSet {
  readonly definition: SetDefinition;
  readonly type: SetType;
  /** How many sources give each member. */
  readonly members: Counter<string>;
  /** Changes against what was sent; unused until the set was sent. */
  readonly added: Set<string>;
  readonly removed: Set<string>;
  users: number;
  sent: boolean;
}

/**
 * The sets that active programs ask, with their members. A set lives while it has users; a member is in it while at
 * least one source gives it.
 */
export class IpSets {
  readonly #sets = new Map<SetId, IpSet>();
  readonly #changed = new Set<IpSet>();
  readonly #removes = new Set<SetId>();
  #source: MemberSource | undefined;

  /** Tells who fills sets. To be called once, before the first use. */
  connect(source: MemberSource): void {
    this.#source = source;
  }

  /** One more user of a set. */
  acquire(definition: SetDefinition): void {
    const known = this.#sets.get(definition.id);
    if (known !== undefined) {
      known.users++;
      return;
    }
    const set: IpSet = {
      definition,
      type: setType(definition),
      members: new Counter(),
      added: new Set(),
      removed: new Set(),
      users: 1,
      sent: false,
    };
    this.#sets.set(definition.id, set);
    this.#changed.add(set);
    this.#source?.start(definition);
  }

  /** One user less; the last one takes the set away. */
  release(id: SetId): void {
    const set = this.#get(id);
    set.users--;
    if (set.users > 0) return;
    this.#source?.stop(set.definition);
    this.#sets.delete(id);
    this.#changed.delete(set);
    if (set.sent) this.#removes.add(id);
  }

  /** A source gives a member. */
  addMember(id: SetId, member: string): void {
    const set = this.#get(id);
    if (!set.members.add(member) || !set.sent) return;
    if (!set.removed.delete(member)) set.added.add(member);
    this.#changed.add(set);
  }

  /** A source takes its member back. */
  removeMember(id: SetId, member: string): void {
    const set = this.#get(id);
    if (!set.members.remove(member) || !set.sent) return;
    if (!set.added.delete(member)) set.removed.add(member);
    this.#changed.add(set);
  }

  /**
   * What changed since the last call: new sets whole (in place of one of the same id that went), of others the
   * difference; then the ids of the sets that went.
   */
  take(): {
    readonly updates: readonly Message[];
    readonly deltas: readonly Message[];
    readonly removes: readonly SetId[];
  } {
    const updates: Message[] = [];
    const deltas: Message[] = [];
    for (const set of this.#changed) {
      const { id } = set.definition;
      if (!set.sent) {
        set.sent = true;
        this.#removes.delete(id);
        updates.push({ kind: 'ipSetUpdate', id, type: set.type, members: [...set.members.keys()] });
      } else if (set.added.size > 0 || set.removed.size > 0) {
        deltas.push({ kind: 'ipSetDelta', id, added: [...set.added], removed: [...set.removed] });
        set.added.clear();
        set.removed.clear();
      }
    }
    const removes = [...this.#removes];
    this.#changed.clear();
    this.#removes.clear();
    return { updates, deltas, removes };
  }

  get size(): number {
    return this.#sets.size;
  }

  /** Number of users of each set, for checks. */
  users(): Map<SetId, number> {
    return new Map([...this.#sets].map(([id, set]) => [id, set.users]));
  }

  /** Throws when a set counts other members than the sources give, which they count up by set and member. */
  check(given: ReadonlyMap<SetId, Counter<string>>): void {
    for (const [id, { members }] of this.#sets) {
      const wanted = new Map(given.get(id)?.entries() ?? []);
      for (const [member, count] of members.entries()) {
        const sources = wanted.get(member) ?? 0;
        if (sources !== count)
          throw new Error(`Cannot trust set ${id}: ${member} counts ${count}; given ${sources} times`);
      }
      if (wanted.size !== members.size) throw new Error(`Cannot trust set ${id}: members are missing`);
    }
  }

  #get(id: SetId): IpSet {
    const set = this.#sets.get(id);
    if (set === undefined) throw new Error(`Cannot use set ${id}: it is not active`);
    return set;
  }
}
