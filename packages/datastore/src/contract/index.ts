import { describe } from 'bun:test';
import type { ContractOptions, ContractStore, OpenStore } from './harness.ts';
import { listContract } from './list.ts';
import { watchContract } from './watch.ts';
import { writeContract } from './write.ts';

export type { ContractOptions, ContractStore, OpenStore };

/** What every form of a Client does alike, as bun tests. `open` is called before each test, and its store closed after. */
export function datastoreContract(open: OpenStore, options: ContractOptions = {}): void {
  describe('reads and writes', () => writeContract(open, options));
  describe('lists', () => listContract(open, options));
  describe('watches', () => watchContract(open, options));
}
