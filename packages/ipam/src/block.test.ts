import { describe, expect, test } from 'bun:test';
import { IPAMBlock } from '@calico/api';
import { cidr } from '@calico/ip';
import fc from 'fast-check';
import {
  addressState,
  allocate,
  allocateOrdinal,
  checkBlock,
  collectCooled,
  freeCount,
  handleCounts,
  isEmpty,
  newBlock,
  nextSequence,
  ordinalsOfHandle,
  release,
  reservedIn,
  sequenceNumber,
  WINDOWS_RESERVED_HANDLE,
  withoutAffinity,
} from './block.ts';

const START = Date.UTC(2026, 0, 1);
const none = () => false;
const claim = (handle: string, attributes: Record<string, string> = {}) => ({ handle, attributes });
const fresh = (text = '10.0.0.0/29') => newBlock(cidr(text), 'block', 'host:node-1', START);

describe('newBlock', () => {
  test('is free from the first to the last address, and valid', () => {
    const block = fresh();
    expect(block.spec).toMatchObject({
      cidr: '10.0.0.0/29',
      affinity: 'host:node-1',
      affinityClaimTime: '2026-01-01T00:00:00Z',
      unallocated: [0, 1, 2, 3, 4, 5, 6, 7],
      sequenceNumber: 1767225600000000000n,
      deleted: false,
    });
    expect(IPAMBlock.validate(block)).toEqual([]);
    expect(checkBlock(block)).toEqual([]);
    expect(isEmpty(block)).toBe(true);
  });
});

describe('allocate', () => {
  test('takes those that have been free longest, and notes the sequence number', () => {
    const { block, ordinals } = allocate(fresh(), 2, claim('a', { pod: 'web' }), none);
    expect(ordinals).toEqual([0, 1]);
    expect(block.spec.attributes).toEqual([{ handle_id: 'a', secondary: { pod: 'web' } }]);
    expect(addressState(block, 1)).toEqual({
      state: 'allocated',
      handle: 'a',
      attributes: { pod: 'web' },
      alternateAttributes: undefined,
      sequenceNumber: 1767225600000000000n,
    });
    expect(sequenceNumber(nextSequence(block))).toBe(1767225600000000001n);
  });

  test('leaves out reserved addresses and gives what there is', () => {
    const reserved = reservedIn(cidr('10.0.0.0/29'), [cidr('10.0.0.0/30'), cidr('10.0.0.5/32'), cidr('10.1.0.0/16')]);
    expect(freeCount(fresh(), reserved)).toBe(3);
    expect(allocate(fresh(), 8, claim('a'), reserved).ordinals).toEqual([4, 6, 7]);
  });

  test('gives the same block when nothing is free', () => {
    const { block } = allocate(fresh(), 8, claim('a'), none);
    expect(allocate(block, 1, claim('b'), none)).toEqual({ block, ordinals: [] });
  });

  test('keeps equal attributes once, whatever the order of their keys', () => {
    const one = allocate(fresh(), 1, claim('a', { pod: 'web', namespace: 'x' }), none).block;
    const two = allocate(one, 1, claim('a', { namespace: 'x', pod: 'web' }), none).block;
    expect(two.spec.attributes).toHaveLength(1);
  });
});

describe('allocateOrdinal', () => {
  test('takes one address, and refuses it then', () => {
    const block = allocateOrdinal(fresh(), 5, claim('a'));
    expect(ordinalsOfHandle(block, 'a')).toEqual([5]);
    expect(() => allocateOrdinal(block, 5, claim('b'))).toThrow('Cannot assign 10.0.0.5: its handle is "a"');
  });

  test('refuses an address that cools', () => {
    const block = release(allocateOrdinal(fresh(), 5, claim('a')), [5], START);
    expect(() => allocateOrdinal(block, 5, claim('b'))).toThrow('it was released at 2026-01-01T00:00:00Z');
  });
});

describe('release', () => {
  test('lets the address cool; collectCooled frees it after the cooldown, behind those free before', () => {
    const taken = allocate(fresh(), 2, claim('a'), none).block;
    const cooling = release(taken, [0], START);
    expect(addressState(cooling, 0)).toEqual({ state: 'cooling', releasedAt: '2026-01-01T00:00:00Z' });
    expect(isEmpty(release(taken, [0, 1], START))).toBe(false);
    expect(collectCooled(cooling, START + 29_999, 30)).toBe(cooling);
    const free = collectCooled(cooling, START + 30_000, 30);
    expect(free.spec.unallocated).toEqual([2, 3, 4, 5, 6, 7, 0]);
    expect(free.spec.sequenceNumberForAllocation).not.toHaveProperty('0');
    expect(ordinalsOfHandle(free, 'a')).toEqual([1]);
  });

  test('leaves alone what is free or cools', () => {
    const block = release(allocateOrdinal(fresh(), 1, claim('a')), [1], START);
    expect(release(block, [0, 1], START + 5000)).toBe(block);
  });

  test('drops attributes that nobody has any more', () => {
    let block = fresh();
    for (const handle of ['a', 'b', 'c']) block = allocate(block, 1, claim(handle), none).block;
    block = collectCooled(release(block, [0], START), START, 0);
    expect(block.spec.attributes.map(({ handle_id }) => handle_id)).toEqual(['b', 'c']);
    expect([...handleCounts(block)]).toEqual([
      ['b', 1],
      ['c', 1],
    ]);
  });
});

test('isEmpty does not count what Windows keeps back', () => {
  expect(isEmpty(allocateOrdinal(fresh(), 0, claim(WINDOWS_RESERVED_HANDLE)))).toBe(true);
  expect(isEmpty(allocateOrdinal(fresh(), 0, claim('a')))).toBe(false);
});

test('withoutAffinity takes owner and claim time away', () => {
  expect(withoutAffinity(fresh()).spec).toMatchObject({ affinity: null, affinityClaimTime: null });
});

test('handles end at the first carriage return', () => {
  expect(ordinalsOfHandle(allocateOrdinal(fresh(), 3, claim('a\r\nb')), 'a')).toEqual([3]);
});

test('checkBlock names every kind of fault', () => {
  const block = allocateOrdinal(fresh(), 0, claim('a'));
  const faults = checkBlock({
    ...block,
    spec: {
      ...block.spec,
      allocations: [0, 7, null, null, null, null, null],
      unallocated: [1, 3, 3, 4, 5, 6, 9],
      attributes: [...block.spec.attributes, ...block.spec.attributes],
      sequenceNumberForAllocation: { '0': 9767225600000000000n, '3': 1 },
    },
  });
  expect(faults).toEqual([
    'allocations has 7 entries; allowed: 8',
    'unallocated has an ordinal twice',
    'ordinal 1 is taken but also in unallocated',
    'ordinal 1 has attribute 7, which does not exist',
    'ordinal 2 is free but not in unallocated',
    'unallocated has ordinal 9; allowed: below 8',
    'attribute 1 belongs to no address',
    'attributes has the same entry twice',
    'ordinal 0 was assigned at 9767225600000000000, which is still to come',
    'ordinal 3 is free but has a sequence number',
  ]);
});

test('random allocating, releasing and cooling keeps a block consistent, valid, and each address with its owner', () => {
  const step = fc.oneof(
    fc.record({
      act: fc.constant('allocate' as const),
      handle: fc.constantFrom('a', 'b', 'c'),
      count: fc.integer({ min: 1, max: 4 }),
    }),
    fc.record({
      act: fc.constant('release' as const),
      ordinals: fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 4 }),
    }),
    fc.record({ act: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      let now = START;
      let block = fresh('10.0.0.0/28');
      const owners = new Map<number, string>();
      for (const next of steps) {
        if (next.act === 'wait') now += next.ms;
        if (next.act === 'release') {
          block = release(block, next.ordinals, now);
          for (const ordinal of next.ordinals) owners.delete(ordinal);
        }
        if (next.act === 'allocate') {
          const taken = allocate(collectCooled(block, now, 10), next.count, claim(next.handle), none);
          for (const ordinal of taken.ordinals) {
            expect(owners.has(ordinal)).toBe(false);
            owners.set(ordinal, next.handle);
          }
          block = taken.block;
        }
        block = nextSequence(block);
        expect(checkBlock(block)).toEqual([]);
        for (let ordinal = 0; ordinal < 16; ordinal++) {
          const found = addressState(block, ordinal);
          expect(found.state === 'allocated' ? found.handle : undefined).toBe(owners.get(ordinal));
        }
      }
      expect(IPAMBlock.validate(block)).toEqual([]);
    }),
  );
});
