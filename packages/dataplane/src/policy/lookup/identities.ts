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

/** An address whose sets are now others. */
export interface Move {
  readonly address: string;
  readonly from: Identity | undefined;
  readonly to: Identity | undefined;
}

/** What is true of an address: it is in a set; or, with a port, (address, protocol, port) is. */
export function fact(set: SetId, port?: PeerPort): string {
  return port === undefined ? set : `${set}\0${port.protocol}:${port.port}`;
}

/** Addresses by the sets that they are in: addresses in equal sets have one identity. */
export class Identities {
  readonly #byAddress = new Map<string, Identity>();
  readonly #byKey = new Map<string, Identity>();
  readonly #byNumber = new Map<number, string>([[0, '']]);
  readonly #bySet = new MultiMap<SetId, Identity>();
  /** Addresses of which facts came or went, with all facts that hold now. */
  readonly #pending = new Map<string, Set<string>>();

  /** A fact is true of the address from now on, or no longer. */
  change(address: string, fact: string, isTrue: boolean): void {
    let facts = this.#pending.get(address);
    if (facts === undefined) {
      facts = new Set(this.#byAddress.get(address)?.key.split('\n'));
      this.#pending.set(address, facts);
    }
    if (isTrue) facts.add(fact);
    else facts.delete(fact);
  }

  /** All steps of `takeMovesInSteps` at once. */
  takeMoves(): Move[] {
    return finished(this.takeMovesInSteps());
  }

  /** Gives the addresses whose identity is another since the last call. Nothing may change until the last step. */
  *takeMovesInSteps(): Generator<void, Move[]> {
    const moves: Move[] = [];
    const move = ([address, facts]: [string, Set<string>]) => {
      const from = this.#byAddress.get(address);
      const key = [...facts].sort().join('\n');
      if (key === (from?.key ?? '')) return;
      const to = key === '' ? undefined : this.#withKey(key);
      from?.addresses.delete(address);
      if (to === undefined) this.#byAddress.delete(address);
      else {
        to.addresses.add(address);
        this.#byAddress.set(address, to);
      }
      moves.push({ address, from, to });
    };
    yield* eachInSteps(this.#pending, move);
    this.#pending.clear();
    for (const { from } of moves) if (from?.addresses.size === 0) this.#forget(from);
    return moves;
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
