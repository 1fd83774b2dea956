import { type Addr, addrEquals } from '@calico/ip';
import type { Conntrack, ConntrackEntry, ListedConnection } from '../kernel.ts';
import type { FakeNet } from './net.ts';

/** Connections in memory: there are those that a test puts into `FakeKernel.track`. */
export class FakeConntrack implements Conntrack {
  readonly #net: FakeNet;
  readonly #fixed = new WeakSet<ConntrackEntry>();

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

  *listInSteps(addresses: readonly Addr[]): Generator<void, readonly ListedConnection[]> {
    const listed: ListedConnection[] = [];
    for (const entry of this.#net.connections) {
      yield;
      if (!addresses.some(address => comesFrom(entry, address))) continue;
      listed.push({ ...entry, fixedTimeout: this.#fixed.has(entry), key: entry });
    }
    return listed;
  }

  fixTimeout(connections: readonly ListedConnection[]): number {
    const present = this.#present(connections);
    for (const entry of present) this.#fixed.add(entry);
    return present.length;
  }

  delete(connections: readonly ListedConnection[]): number {
    const present = this.#present(connections);
    this.#net.connections = this.#net.connections.filter(entry => !present.includes(entry));
    return present.length;
  }

  #present(connections: readonly ListedConnection[]): ConntrackEntry[] {
    return this.#net.connections.filter(entry => connections.some(({ key }) => key === entry));
  }

  flush(): void {
    this.#net.connections = [];
  }
}

function comesFrom(entry: ConntrackEntry, address: Addr): boolean {
  return addrEquals(entry.original.source, address) || addrEquals(entry.reply.source, address);
}
