import { expect, test } from 'bun:test';
import type { IPAMBlock } from '@calico/api';
import { cidr } from '@calico/ip';
import { BlockCell, type Outcome } from './block-cell.ts';
import { IpamStore } from './store.ts';
import { assign, newWorld, podRequest } from './testing.ts';

const block = cidr('10.0.0.0/26');

/** A cell that knows its block, of which another IPAM has given an address out since. */
async function outdatedCell() {
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/26' });
  await assign(world.open(), podRequest('node-1', 'first'));
  const store = new IpamStore(world.client);
  const cell = new BlockCell(store, block);
  await cell.load();
  const { epoch } = cell;
  await assign(world.open(2), podRequest('node-1', 'second'));
  return { store, cell, epoch };
}

const used = ({ spec }: IPAMBlock) => spec.allocations.filter(index => index !== null).length;
/** Changes nothing; says how many addresses are in use. */
const look = (before: IPAMBlock): Outcome<number> => ({ block: before, result: used(before), landed: () => undefined });

test('a job that has nothing to do ends on a state from after it came, not on what is remembered', async () => {
  const { cell } = await outdatedCell();
  expect(cell.last && used(cell.last)).toBe(1);
  expect(await cell.submit({ apply: look })).toBe(2);
});

test('a job for one state of the block is lost, and not applied, once another has been seen', async () => {
  const { store, cell, epoch } = await outdatedCell();
  const before = await store.block(block);
  cell.accept(before);
  let applied = 0;
  const apply = (given: IPAMBlock): Outcome<number> => {
    applied++;
    return { block: { ...given, spec: { ...given.spec, strictAffinity: true } }, result: 1, landed: () => undefined };
  };
  expect(await cell.submit({ apply, epoch })).toBe('lost');
  expect([applied, await store.block(block)]).toEqual([0, before]);
  expect(await cell.submit({ apply, epoch: cell.epoch })).toBe(1);
});
