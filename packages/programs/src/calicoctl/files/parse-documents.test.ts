import { expect, test } from 'bun:test';
import { parseDocuments } from './parse-documents.ts';

const cases: { name: string; text: string; values: unknown[] }[] = [
  {
    name: 'documents, empty ones left out',
    text: '---\na: 1\n---\n# nothing\n---\nb: 2\n',
    values: [{ a: 1 }, { b: 2 }],
  },
  { name: 'arrays', text: '- {a: 1}\n- {b: 2}\n', values: [{ a: 1 }, { b: 2 }] },
  { name: 'lists of any kind', text: '{"kind":"List","items":[{"kind":"A"}]}', values: [{ kind: 'A' }] },
  {
    name: 'lists of one kind, whose items need not say it',
    text: 'kind: PoolList\napiVersion: g/v3\nitems: [{metadata: {name: a}}]',
    values: [{ apiVersion: 'g/v3', kind: 'Pool', metadata: { name: 'a' } }],
  },
  { name: 'flow style that is no JSON', text: '{a: b}', values: [{ a: 'b' }] },
  { name: 'merge keys', text: 'x: &x {a: 1}\ny: {<<: *x, b: 2}', values: [{ x: { a: 1 }, y: { a: 1, b: 2 } }] },
  { name: 'big integers whole', text: 'a: 1763704527000000001\nb: 7\n', values: [{ a: 1763704527000000001n, b: 7 }] },
  { name: 'nothing', text: '', values: [] },
];
test.each(cases)('parseDocuments reads $name', ({ text, values }) => {
  expect(parseDocuments(text, 'f').map(({ value }) => value)).toEqual(values);
});

test('parseDocuments numbers the objects where there are several', () => {
  expect(parseDocuments('a: 1', 'f').map(({ where }) => where)).toEqual(['f']);
  expect(parseDocuments('a: 1\n---\nb: 1', 'f').map(({ where }) => where)).toEqual(['f: object 1', 'f: object 2']);
});
