import { expect, test } from 'bun:test';
import { errnoName, errnoNumber, isAbsent, KernelError } from './error.ts';

test('errnos have their names, and numbers without one are shown', () => {
  expect([17, 2, 3, 95, 110, 9999].map(errnoName)).toEqual([
    'EEXIST',
    'ENOENT',
    'ESRCH',
    'EOPNOTSUPP',
    'ETIMEDOUT',
    'E9999',
  ]);
  expect(errnoNumber('EADDRNOTAVAIL')).toBe(99);
  expect(() => errnoNumber('ENONSENSE')).toThrow(RangeError);
});

test('a kernel error says what was asked, the errno and the explanation', () => {
  const error = new KernelError('create link br0', 17, 'name is taken');
  expect(error.message).toBe('Cannot create link br0: kernel answered EEXIST (name is taken)');
  expect(error).toMatchObject({ code: 'EEXIST', errno: 17, op: 'create link br0', extack: 'name is taken' });
});

test('what is absent is told apart from other failures', () => {
  const of = (code: string) => new KernelError('act', errnoNumber(code));
  expect(['ENOENT', 'ESRCH', 'EADDRNOTAVAIL', 'ENODEV'].map(of).every(isAbsent)).toBe(true);
  expect(isAbsent(of('EPERM')) || isAbsent(new Error('ENOENT'))).toBe(false);
});
