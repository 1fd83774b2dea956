import type { EndpointId, Message } from '@calico/calc';
import { type Addr, parseCidr, printAddr } from '@calico/ip';
import type { Conntrack } from '@calico/kernel';

/**
 * Forgets the tracked connections of addresses that no local endpoint has any more: else a packet of an old connection
 * would pass as established to whoever gets the address next. `handle` remembers, `apply` deletes. What went while the
 * program was down is not known here.
 */
export class StaleConnections {
  readonly #conntrack: Conntrack;
  readonly #addressesOf = new Map<EndpointId, ReadonlyMap<string, Addr>>();
  readonly #gone = new Map<string, Addr>();

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    if (message.kind !== 'endpointUpdate' && message.kind !== 'endpointRemove') return;
    for (const [text, address] of this.#addressesOf.get(message.id) ?? []) this.#gone.set(text, address);
    if (message.kind === 'endpointRemove') {
      this.#addressesOf.delete(message.id);
      return;
    }
    const nets = [...message.endpoint.ipv4, ...message.endpoint.ipv6].flatMap(text => parseCidr(text) ?? []);
    this.#addressesOf.set(message.id, new Map(nets.map(net => [printAddr(net.addr), net.addr])));
  }

  /** Whether there are addresses whose connections are to go. */
  get pending(): boolean {
    return this.#gone.size > 0;
  }

  /** Deletes the connections of addresses that are gone. KernelError when the kernel refuses; the next call tries again. */
  apply(): void {
    for (const [text, address] of this.#gone) {
      const held = [...this.#addressesOf.values()].some(addresses => addresses.has(text));
      if (!held) this.#conntrack.deleteByAddress(address);
      this.#gone.delete(text);
    }
  }
}
