import { describe, expect, test } from 'bun:test';
import { Pod } from '@calico/api';
import type { PatchType } from '../client.ts';
import { applyPatch, jsonEquals } from './patch.ts';

const cases: { name: string; type: PatchType; target: unknown; patch: unknown; want: unknown }[] = [
  {
    name: 'merge replaces lists, and removes by null',
    type: 'merge',
    target: { a: [1, 2], b: { c: 1, d: 2 } },
    patch: { a: [3], b: { c: null } },
    want: { a: [3], b: { d: 2 } },
  },
  {
    name: 'strategic merges a list by its key',
    type: 'strategic',
    target: { spec: { containers: [{ name: 'a', image: '1' }, { name: 'b' }] } },
    patch: { spec: { containers: [{ name: 'a', image: '2' }, { name: 'c' }] } },
    want: { spec: { containers: [{ name: 'a', image: '2' }, { name: 'b' }, { name: 'c' }] } },
  },
  {
    name: 'strategic removes an element by directive',
    type: 'strategic',
    target: { spec: { containers: [{ name: 'a' }, { name: 'b' }] } },
    patch: { spec: { containers: [{ name: 'a', $patch: 'delete' }] } },
    want: { spec: { containers: [{ name: 'b' }] } },
  },
  {
    name: 'strategic replaces a map by directive',
    type: 'strategic',
    target: { metadata: { labels: { a: '1' } } },
    patch: { metadata: { labels: { $patch: 'replace', b: '2' } } },
    want: { metadata: { labels: { b: '2' } } },
  },
  {
    name: 'json adds, removes, replaces, moves and copies',
    type: 'json',
    target: { a: { 'x/y': 1 }, list: [1, 2] },
    patch: [
      { op: 'replace', path: '/a/x~1y', value: 5 },
      { op: 'remove', path: '/list/0' },
      { op: 'add', path: '/list/0', value: 9 },
      { op: 'copy', from: '/list', path: '/copied' },
      { op: 'move', from: '/a', path: '/moved' },
      { op: 'test', path: '/moved', value: { 'x/y': 5 } },
    ],
    want: { list: [9, 2], copied: [9, 2], moved: { 'x/y': 5 } },
  },
];

describe('applyPatch', () => {
  for (const { name, type, target, patch, want } of cases) {
    test(name, () => {
      const before = structuredClone(target);
      expect(applyPatch(type, target, patch, Pod.schema)).toEqual(want);
      expect(target).toEqual(before);
    });
  }

  test('refuses a JSON patch of a place that is not there', () => {
    const patch = [{ op: 'remove', path: '/a/b' }];
    expect(() => applyPatch('json', { a: {} }, patch, {})).toThrow('path is "/a/b"; allowed: a place that exists');
  });
});

test('jsonEquals looks past the order of keys and undefined fields', () => {
  expect(jsonEquals({ a: 1, b: [{ c: 1n }] }, { b: [{ c: 1n }], a: 1, d: undefined })).toBe(true);
  expect(jsonEquals({ a: 1n }, { a: 1 })).toBe(false);
});
