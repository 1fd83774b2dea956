import { describe } from 'bun:test';
import type { ContractStore, OpenStore } from './harness.ts';
import { listContract } from './list.ts';
import { watchContract } from './watch.ts';
import { writeContract } from './write.ts';

export type { ContractStore, OpenStore };

/** What every form of a Client does alike, as bun tests. `open` is called before each test, and its store closed after. */
export function datastoreContract(open: OpenStore): void {
  describe('reads and writes', () => writeContract(open));
  describe('lists', () => listContract(open));
  describe('watches', () => watchContract(open));
}
