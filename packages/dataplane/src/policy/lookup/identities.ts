import type { SetId } from '@calico/policy';
import { eachInSteps, finished, MultiMap } from '@calico/reconcile';
import type { Peer, PeerPort } from './flat-rule.ts';
import { distinctNumber } from './numbers.ts';

/** Addresses that are in exactly the same sets. */
export interface Identity extends Peer {
  /** Names it in the kernel: the same for the same sets, also after a restart. Never 0. */
  readonly number: number;
  readonly key: string;
  /** The addresses that have it, as bytes in a Latin-1 string. */
  readonly addresses: Set<string>;
}

/** Addresses whose sets are now others. */
export interface Move {
  readonly addresses: string[];
  readonly from: Identity | undefined;
  readonly to: Identity | undefined;
}

/** What is true of an address: it is in a set; or, with a port, (address, protocol, port) is. */
export function fact(set: SetId, port?: PeerPort): string {
  return port === undefined ? set : `${set}\0${port.protocol}:${port.port}`;
}

/** By address and fact whether it holds now. */
type Changed = Map<string, Map<string, boolean>>;

function remember(changed: Changed, address: string, fact: string, holds: boolean): void {
  const facts = changed.get(address);
  if (facts === undefined) changed.set(address, new Map([[fact, holds]]));
  else facts.set(fact, holds);
}

/** Addresses by the sets that they are in: addresses in equal sets have one identity. */
export class Identities {
  readonly #byAddress = new Map<string, Identity>();
  readonly #byKey = new Map<string, Identity>();
  readonly #byNumber = new Map<number, string>([[0, '']]);
  readonly #bySet = new MultiMap<SetId, Identity>();
  /** Facts that came or went, by address. */
  readonly #changed: Changed = new Map();
  /** Facts that did not change, but that somebody began or ceased to ask for. */
  readonly #asked: Changed = new Map();

  /** A fact is true of the address from now on, or no longer. */
  change(address: string, fact: string, isTrue: boolean): void {
    remember(this.#changed, address, fact, isTrue);
  }

  /** A fact that is true of the address belongs to its identity from now on, or no longer. */
  ask(address: string, fact: string, isAsked: boolean): void {
    remember(this.#asked, address, fact, isAsked);
    // Whoever asks looks at what holds now.
    this.#changed.get(address)?.delete(fact);
  }

  /** Whether there may be moves to take. */
  get isChanged(): boolean {
    return this.#changed.size + this.#asked.size > 0;
  }

  /** All steps of `takeMovesInSteps` at once, of both kinds. */
  takeMoves(): Move[] {
    return [...finished(this.takeMovesInSteps('asked')), ...finished(this.takeMovesInSteps('changed'))];
  }

  /**
   * Gives the addresses whose identity is another since the last call, by facts that changed or by facts that are asked for
   * now, together those that had and have the same. Nothing may change until the last step.
   */
  *takeMovesInSteps(why: 'changed' | 'asked'): Generator<void, Move[]> {
    const pending = why === 'changed' ? this.#changed : this.#asked;
    const moves = new Map<string, Move>();
    const move = ([address, changes]: [string, ReadonlyMap<string, boolean>]) => {
      const from = this.#byAddress.get(address);
      const facts = new Set(from?.key.split('\n'));
      for (const [fact, isTrue] of changes) {
        if (isTrue) facts.add(fact);
        else facts.delete(fact);
      }
      const key = [...facts].sort().join('\n');
      if (key === (from?.key ?? '')) return;
      const to = key === '' ? undefined : this.#withKey(key);
      from?.addresses.delete(address);
      if (to === undefined) this.#byAddress.delete(address);
      else {
        to.addresses.add(address);
        this.#byAddress.set(address, to);
      }
      const way = `${from?.number} ${to?.number}`;
      const known = moves.get(way);
      if (known === undefined) moves.set(way, { addresses: [address], from, to });
      else known.addresses.push(address);
    };
    yield* eachInSteps(pending, move);
    pending.clear();
    const made = [...moves.values()];
    for (const { from } of made) if (from?.addresses.size === 0) this.#forget(from);
    return made;
  }

  /** The identities of addresses that are in any of the sets. */
  inAny(sets: Iterable<SetId>): Set<Identity> {
    const found = new Set<Identity>();
    for (const set of sets) for (const identity of this.#bySet.get(set)) found.add(identity);
    return found;
  }

  #withKey(key: string): Identity {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const ports = new Map<SetId, PeerPort[]>();
    const sets = new Set<SetId>();
    for (const one of key.split('\n')) {
      const [set = '', port] = one.split('\0');
      sets.add(set);
      if (port === undefined) continue;
      const [protocol, number] = port.split(':').map(Number);
      const list = ports.get(set) ?? [];
      list.push({ protocol: protocol ?? 0, port: number ?? 0 });
      ports.set(set, list);
    }
    const number = distinctNumber(key, candidate => this.#byNumber.has(candidate));
    const identity = { number, key, sets, ports, addresses: new Set<string>() };
    this.#byNumber.set(number, key);
    this.#byKey.set(key, identity);
    for (const set of sets) this.#bySet.add(set, identity);
    return identity;
  }

  #forget(identity: Identity): void {
    this.#byKey.delete(identity.key);
    this.#byNumber.delete(identity.number);
    for (const set of identity.sets) this.#bySet.delete(set, identity);
  }
}
