import { expect, test } from 'bun:test';
import { MultiMap } from './multi-map.ts';

test('a key is there while it has values, and each value once', () => {
  const map = new MultiMap<string, number>();
  expect([map.add('a', 1), map.add('a', 1), map.add('a', 2), map.add('b', 3)]).toEqual([true, false, false, true]);
  expect([...map.get('a')]).toEqual([1, 2]);
  expect([...map.keys()]).toEqual(['a', 'b']);
  expect([map.delete('a', 1), map.has('a'), map.delete('a', 2), map.has('a')]).toEqual([false, true, true, false]);
  expect([map.delete('a', 2), map.delete('b', 4), map.size]).toEqual([false, false, 1]);
  expect([...map.get('a')]).toEqual([]);
});
