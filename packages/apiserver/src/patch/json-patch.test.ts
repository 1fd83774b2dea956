import { expect, test } from 'bun:test';
import { applyJsonPatch } from './json-patch.ts';

const document = { a: [1, 2], m: { 'x/y': 1, '~': 2 } };

test.each([
  { name: 'adds a key', patch: [{ op: 'add', path: '/n', value: 1 }], want: { ...document, n: 1 } },
  { name: 'appends', patch: [{ op: 'add', path: '/a/-', value: 3 }], want: { ...document, a: [1, 2, 3] } },
  { name: 'inserts', patch: [{ op: 'add', path: '/a/0', value: 0 }], want: { ...document, a: [0, 1, 2] } },
  { name: 'removes', patch: [{ op: 'remove', path: '/a/1' }], want: { ...document, a: [1] } },
  {
    name: 'unescapes pointers',
    patch: [
      { op: 'replace', path: '/m/x~1y', value: 5 },
      { op: 'remove', path: '/m/~0' },
    ],
    want: { a: [1, 2], m: { 'x/y': 5 } },
  },
  { name: 'moves', patch: [{ op: 'move', from: '/m', path: '/n' }], want: { a: [1, 2], n: document.m } },
  { name: 'copies', patch: [{ op: 'copy', from: '/a/0', path: '/a/-' }], want: { ...document, a: [1, 2, 1] } },
  { name: 'tests', patch: [{ op: 'test', path: '/a', value: [1, 2] }], want: document },
  { name: 'tests that nothing is there', patch: [{ op: 'test', path: '/m/none', value: null }], want: document },
  { name: 'replaces the whole', patch: [{ op: 'replace', path: '', value: 7 }], want: 7 },
])('a JSON patch $name', ({ patch, want }) => {
  expect(applyJsonPatch(document, patch)).toEqual(want);
});

test.each([
  { name: 'a failed test', patch: [{ op: 'test', path: '/a', value: 1 }], code: 422 },
  { name: 'removal of what is absent', patch: [{ op: 'remove', path: '/z' }], code: 422 },
  { name: 'replacement of what is absent', patch: [{ op: 'replace', path: '/z', value: 1 }], code: 422 },
  { name: 'an index beyond the end', patch: [{ op: 'add', path: '/a/3', value: 1 }], code: 422 },
  { name: 'an index with a leading zero', patch: [{ op: 'remove', path: '/a/01' }], code: 422 },
  { name: 'a move into itself', patch: [{ op: 'move', from: '/m', path: '/m/k' }], code: 422 },
  { name: 'an inherited property', patch: [{ op: 'test', path: '/m/constructor', value: 1 }], code: 422 },
  { name: 'an unknown operation', patch: [{ op: 'x', path: '/a' }], code: 400 },
  { name: 'an addition without value', patch: [{ op: 'add', path: '/a/0' }], code: 400 },
  { name: 'a path that is no pointer', patch: [{ op: 'remove', path: 'a' }], code: 400 },
  { name: 'an object', patch: { op: 'remove', path: '/a' }, code: 400 },
])('a JSON patch that is $name is refused with $code', ({ patch, code }) => {
  expect(() => applyJsonPatch(document, patch)).toThrow(expect.objectContaining({ code }));
});
