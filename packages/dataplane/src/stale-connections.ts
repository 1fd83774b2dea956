import type { EndpointId, Message } from '@calico/calc';
import { type Addr, parseCidr, printAddr } from '@calico/ip';
import type { Conntrack } from '@calico/kernel';

/** An address that an endpoint has lost. */
interface Loss {
  readonly address: Addr;
  readonly loser: EndpointId;
}

/**
 * Forgets the tracked connections of addresses that an endpoint has lost: else a packet of an old connection would pass as
 * established to whoever gets the address next. `handle` remembers, `apply` deletes. What went while the program was down
 * is not known here.
 */
export class StaleConnections {
  readonly #conntrack: Conntrack;
  readonly #addressesOf = new Map<EndpointId, ReadonlyMap<string, Addr>>();
  readonly #lost = new Map<string, Loss>();

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    if (message.kind !== 'endpointUpdate' && message.kind !== 'endpointRemove') return;
    const { id } = message;
    for (const [text, address] of this.#addressesOf.get(id) ?? []) this.#lost.set(text, { address, loser: id });
    if (message.kind === 'endpointRemove') {
      this.#addressesOf.delete(id);
      return;
    }
    const nets = [...message.endpoint.ipv4, ...message.endpoint.ipv6].flatMap(text => parseCidr(text) ?? []);
    const addresses = new Map(nets.map(net => [printAddr(net.addr), net.addr] as const));
    this.#addressesOf.set(id, addresses);
    // Kept, or back before anything was deleted.
    for (const text of addresses.keys()) if (this.#lost.get(text)?.loser === id) this.#lost.delete(text);
  }

  /** Whether there are addresses whose connections are to go. */
  get pending(): boolean {
    return this.#lost.size > 0;
  }

  /** Whether one of those addresses is another endpoint's already: then their connections must go at once. */
  get urgent(): boolean {
    const held = [...this.#addressesOf.values()];
    return [...this.#lost.keys()].some(text => held.some(addresses => addresses.has(text)));
  }

  /** Deletes the connections of lost addresses. KernelError when the kernel refuses; the next call tries again. */
  apply(): void {
    this.#conntrack.deleteByAddresses([...this.#lost.values()].map(loss => loss.address));
    this.#lost.clear();
  }
}
