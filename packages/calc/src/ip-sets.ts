import type { SetId } from '@calico/policy';
import type { Counter } from './counter.ts';
import { MemberCounts, type MemberKey } from './member-counts.ts';
import type { Message, SetType } from './messages.ts';
import { netText } from './net-key.ts';
import { describeSet, type SetDefinition, setType } from './set-definition.ts';

/** Fills a set while somebody asks it. */
export interface MemberSource {
  start(set: IpSet): void;
  stop(set: IpSet): void;
}

/** A set as it is out. */
export interface SetOutput {
  readonly id: SetId;
  readonly type: SetType;
  /** What it holds, in words. */
  readonly what: string;
  /** How many active policies and profiles ask it. */
  readonly users: number;
  readonly size: number;
  /** Its members as messages spell them. */
  members(): Iterable<string>;
}

/** How a set differs from what was sent. */
interface Difference {
  readonly added: Set<MemberKey>;
  readonly removed: Set<MemberKey>;
}

/** A set that active programs ask, with its members. */
export class IpSet {
  readonly definition: SetDefinition;
  readonly members = new MemberCounts();
  users = 1;
  sent = false;
  difference: Difference | undefined;

  constructor(definition: SetDefinition) {
    this.definition = definition;
  }

  get type(): SetType {
    return setType(this.definition);
  }
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
    const set = new IpSet(definition);
    this.#sets.set(definition.id, set);
    this.#changed.add(set);
    this.#source?.start(set);
  }

  /** One user less; the last one takes the set away. */
  release(id: SetId): void {
    const set = this.#sets.get(id);
    if (set === undefined) throw new Error(`Cannot release set ${id}: it is not active`);
    set.users--;
    if (set.users > 0) return;
    this.#source?.stop(set);
    this.#sets.delete(id);
    this.#changed.delete(set);
    if (set.sent) this.#removes.add(id);
  }

  /** A source gives a member. */
  addMember(set: IpSet, member: MemberKey): void {
    if (!set.members.add(member) || !set.sent) return;
    const { added, removed } = this.#difference(set);
    if (!removed.delete(member)) added.add(member);
  }

  /** A source takes its member back. */
  removeMember(set: IpSet, member: MemberKey): void {
    if (!set.members.remove(member) || !set.sent) return;
    const { added, removed } = this.#difference(set);
    if (!added.delete(member)) removed.add(member);
  }

  /** New sets whole, in place of one of the same id that went; of the others what changed since the last call. */
  *takeUpdates(): Generator<Message> {
    for (const set of this.#changed) {
      const { id } = set.definition;
      const { difference } = set;
      set.difference = undefined;
      this.#changed.delete(set);
      if (!set.sent) {
        set.sent = true;
        this.#removes.delete(id);
        yield { kind: 'ipSetUpdate', id, type: set.type, members: texts(set.members.keys()) };
      } else if (difference !== undefined && (difference.added.size > 0 || difference.removed.size > 0)) {
        yield { kind: 'ipSetDelta', id, added: texts(difference.added), removed: texts(difference.removed) };
      }
    }
  }

  /** The ids of the sets that went since the last call; to be called after `takeUpdates`. */
  takeRemoves(): readonly SetId[] {
    const removes = [...this.#removes];
    this.#removes.clear();
    return removes;
  }

  get size(): number {
    return this.#sets.size;
  }

  /** The sets that are out. */
  *values(): Generator<SetOutput> {
    for (const [id, { definition, members, users, type, sent }] of this.#sets) {
      if (!sent) continue;
      const what = describeSet(definition);
      yield { id, type, what, users, size: members.size, members: () => textOf(members.keys()) };
    }
  }

  /** What each set holds, in words. */
  describe(): Map<SetId, string> {
    return new Map([...this.#sets].map(([id, { definition }]) => [id, describeSet(definition)]));
  }

  /** Number of users of each set, for checks. */
  users(): Map<SetId, number> {
    return new Map([...this.#sets].map(([id, set]) => [id, set.users]));
  }

  /** Throws when a set counts other members than the sources give, which they count up by set and member. */
  check(given: ReadonlyMap<SetId, Counter<MemberKey>>): void {
    for (const [id, { members }] of this.#sets) {
      const wanted = new Map(given.get(id)?.entries() ?? []);
      for (const member of members.keys()) {
        const count = members.count(member);
        const sources = wanted.get(member) ?? 0;
        if (sources !== count)
          throw new Error(`Cannot trust set ${id}: ${member} counts ${count}; given ${sources} times`);
      }
      if (wanted.size !== members.size) throw new Error(`Cannot trust set ${id}: members are missing`);
    }
  }

  #difference(set: IpSet): Difference {
    set.difference ??= { added: new Set(), removed: new Set() };
    this.#changed.add(set);
    return set.difference;
  }
}

function texts(members: Iterable<MemberKey>): string[] {
  return [...textOf(members)];
}

function* textOf(members: Iterable<MemberKey>): Generator<string> {
  for (const member of members) yield netText(member);
}
