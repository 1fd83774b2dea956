/** A pod, or tunnel, that was told that an address is its own. */
export interface Holder {
  readonly who: string;
  readonly handle: string;
}

/** Who lives with which address: the truth that IPAM must never contradict. */
export class Ledger {
  readonly #holders = new Map<string, Holder>();

  /** Somebody begins to live with an address. */
  give(address: string, holder: Holder): void {
    const other = this.#holders.get(address);
    if (other !== undefined) throw new Error(`${address} is given to ${holder.who} while ${other.who} lives with it`);
    this.#holders.set(address, holder);
  }

  /** Somebody lives no more; from now on the address may be released. */
  take(who: string): void {
    for (const [address, holder] of this.#holders) if (holder.who === who) this.#holders.delete(address);
  }

  /** Who lives with an address. */
  holderOf(address: string): Holder | undefined {
    return this.#holders.get(address);
  }

  get entries(): ReadonlyMap<string, Holder> {
    return this.#holders;
  }
}
