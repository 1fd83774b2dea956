import { describe, expect, test } from 'bun:test';
import { Attributes, splitMessages } from '../netlink/index.ts';
import { batchSize, describeOp, encodeBatch, opSize, splitOps } from './batch.ts';
import { NFGENMSG_LEN, NFTA_SET_ELEM_LIST_ELEMENTS } from './constants.ts';
import { base, caseGround, caseRules, cidrs, manyAddresses, rule, table, v4, verdict } from './testing.ts';
import type { Op } from './types.ts';

const elementsOf = (batches: readonly (readonly Op[])[]) =>
  batches.flat().flatMap(op => (op.op === 'addElements' ? op.elements : []));

describe('encodeBatch', () => {
  test('frames the operations, and tells which message is whose', () => {
    const ops: Op[] = [
      { op: 'addSet', set: v4 },
      { op: 'addElements', set: 'v4', elements: manyAddresses(10_000) },
      { op: 'addElements', set: 'v4', elements: [] },
      rule('base', verdict('drop')),
    ];
    const { bytes, opOfMessage } = encodeBatch(table, ops, { formOf: () => 'single' });
    const messages = splitMessages(bytes);
    expect(messages.map(({ type }) => type)).toEqual([0x10, 0xa09, 0xa0c, 0xa0c, 0xa0c, 0xa06, 0x11]);
    expect(opOfMessage).toEqual([0, 1, 1, 1, 3]);
  });

  test('no list of elements exceeds its 16 bits, intervals included', () => {
    const ops: Op[] = [
      { op: 'addSet', set: cidrs },
      { op: 'addElements', set: 'cidrs', elements: manyAddresses(5000, 2) },
    ];
    for (const { payload } of splitMessages(encodeBatch(table, ops, { formOf: () => 'single' }).bytes)) {
      const list = new Attributes(payload.subarray(NFGENMSG_LEN)).bytes(NFTA_SET_ELEM_LIST_ELEMENTS);
      expect(list?.length ?? 0).toBeLessThan(65_536 - 4);
    }
  });

  test('a comment beyond what the kernel keeps is refused', () => {
    const op: Op = { op: 'addRule', chain: 'base', exprs: [], comment: 'x'.repeat(300) };
    expect(() => batchSize([op])).toThrow('Cannot encode comment: length is 300 bytes; allowed: up to 241');
  });
});

describe('batchSize', () => {
  test('is the length of the encoded batch', () => {
    const ops = [...caseGround, ...caseRules];
    expect(batchSize(ops, table)).toBe(encodeBatch(table, ops, { formOf: () => 'single' }).bytes.length);
  });
});

describe('splitOps', () => {
  const limit = 4096;

  test('keeps order and loses nothing, each batch within the limit', () => {
    const elements = manyAddresses(3000);
    const ops: Op[] = [base, { op: 'addSet', set: v4 }, { op: 'addElements', set: 'v4', elements }, ...caseRules];
    const batches = splitOps(ops, limit, table);
    for (const batch of batches) expect(batchSize(batch, table)).toBeLessThanOrEqual(limit);
    expect(elementsOf(batches)).toEqual(elements);
    const rest = (list: readonly Op[]) => list.filter(({ op }) => op !== 'addElements');
    expect(rest(batches.flat())).toEqual(rest(ops));
  });

  test('leaves alone what fits, and what cannot be cut', () => {
    const ops: Op[] = [base, rule('base', verdict('drop'))];
    expect(splitOps(ops, limit)).toEqual([ops]);
    expect(splitOps(ops, 1)).toEqual(ops.map(op => [op]));
    expect(splitOps([], limit)).toEqual([]);
  });
});

describe('describeOp', () => {
  test('names the object of each operation', () => {
    expect([...caseGround.slice(0, 3), rule('x'), { op: 'flushSet', name: 's' } as const].map(describeOp)).toEqual([
      'add table',
      'add counter "hits-of-a-rule"',
      'add set "v4"',
      'add rule to chain "x"',
      'flush set "s"',
    ]);
  });
});

describe('opSize', () => {
  const keys = [Uint8Array.of(10, 0, 0, 1), new Uint8Array(16), new Uint8Array(9)];
  const data = [undefined, { kind: 'drop' }, { kind: 'goto', chain: 'c'.repeat(200) }, new Uint8Array(4)] as const;
  const lists = keys.flatMap(key => data.flatMap(data => [1, 7, 2_000].map(count => ({ key, data, count }))));
  test.each(lists)('is no less than what an operation takes, and not three times as much', ({ key, data, count }) => {
    const element = { key, ...(data !== undefined && { data }) };
    const op: Op = { op: 'addElements', set: 's'.repeat(100), elements: Array.from({ length: count }, () => element) };
    const size = encodeBatch(table, [op], { formOf: () => 'single' }).bytes.length;
    const interval = encodeBatch(table, [op], { formOf: () => 'interval' }).bytes.length;
    expect(opSize(op)).toBeGreaterThanOrEqual(size);
    expect(opSize(op)).toBeGreaterThanOrEqual(interval);
    expect(opSize(op)).toBeLessThan(3 * size);
  });

  test.each<Op>([
    { op: 'addCounter', name: 'c'.repeat(255) },
    { op: 'deleteCounter', name: 'c' },
    { op: 'deleteSet', name: 's'.repeat(255) },
    { op: 'flushChain', name: 'c' },
    { op: 'deleteChain', name: 'c'.repeat(255) },
    { op: 'addSet', set: cidrs },
  ])('is no less than what $op takes', op => {
    const frame = batchSize([]);
    expect(opSize(op)).toBeGreaterThanOrEqual(batchSize([op]) - frame);
    expect(opSize(op)).toBeLessThan(batchSize([op]) + 64);
  });

  test.each(caseRules.map(op => ({ op })))(
    'is no less than what a rule takes, and not twice as much: $op.comment',
    ({ op }) => {
      const taken = batchSize([op]) - batchSize([]);
      expect(opSize(op)).toBeGreaterThanOrEqual(taken);
      expect(opSize(op)).toBeLessThan(2 * taken);
    },
  );
});
