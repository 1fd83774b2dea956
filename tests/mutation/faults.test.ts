import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyFault } from './apply-fault.ts';
import { type Fault, faults } from './faults.ts';

const root = join(import.meta.dir, '../..');

describe('seeded faults', () => {
  test.each([...faults])('$name: the text to replace is there exactly once', fault => {
    const text = readFileSync(join(root, fault.file), 'utf8');
    expect(applyFault(fault, text)).not.toBe(text);
  });

  test.each([...faults])('$name: the file of tests that is run first is there', fault => {
    expect(existsSync(join(root, fault.noticedBy))).toBe(true);
  });

  test('have names of their own', () => {
    expect(new Set(faults.map(fault => fault.name)).size).toBe(faults.length);
  });

  test.each([
    { text: 'nothing', times: 0 },
    { text: 'x and x', times: 2 },
  ])('are refused where the text occurs $times times', ({ text, times }) => {
    const fault: Fault = { name: 'f', file: 'a.ts', find: 'x', replace: 'y', noticedBy: 'a.test.ts' };
    expect(() => applyFault(fault, text)).toThrow(`occurs ${times} times in a.ts; allowed: once`);
  });
});
