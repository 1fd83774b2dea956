import { type Addr, addrEquals } from '@calico/ip';
import type { Conntrack, ConntrackEntry } from '../kernel.ts';
import type { FakeNet } from './net.ts';

/** Connections in memory: there are those that a test puts into `FakeKernel.track`. */
export class FakeConntrack implements Conntrack {
  readonly #net: FakeNet;

  constructor(net: FakeNet) {
    this.#net = net;
  }

  list(address?: Addr): ConntrackEntry[] {
    return this.#net.connections.filter(entry => address === undefined || comesFrom(entry, address));
  }

  deleteByAddresses(addresses: readonly Addr[]): number {
    const kept = this.#net.connections.filter(entry => !addresses.some(address => comesFrom(entry, address)));
    const deleted = this.#net.connections.length - kept.length;
    this.#net.connections = kept;
    return deleted;
  }

  flush(): void {
    this.#net.connections = [];
  }
}

function comesFrom(entry: ConntrackEntry, address: Addr): boolean {
  return addrEquals(entry.original.source, address) || addrEquals(entry.reply.source, address);
}
