import { expect, test } from 'bun:test';
import type { GlobalNetworkSet } from '@calico/api';
import { globalNetworkSet } from '../contract/objects.ts';
import { selectedEvents } from './selection.ts';

const cases: { name: string; changes: [type: 'ADDED' | 'MODIFIED' | 'DELETED', role: string][]; want: string[] }[] = [
  { name: 'tells what belongs', changes: [['ADDED', 'web']], want: ['ADDED'] },
  {
    name: 'keeps quiet about what does not',
    changes: [
      ['ADDED', 'db'],
      ['MODIFIED', 'db'],
      ['DELETED', 'db'],
    ],
    want: [],
  },
  {
    name: 'tells what begins and ceases to belong',
    changes: [
      ['ADDED', 'db'],
      ['MODIFIED', 'web'],
      ['MODIFIED', 'web'],
      ['MODIFIED', 'db'],
      ['DELETED', 'db'],
    ],
    want: ['ADDED', 'MODIFIED', 'DELETED'],
  },
  {
    name: 'tells a change of what was there before',
    changes: [
      ['MODIFIED', 'web'],
      ['DELETED', 'web'],
    ],
    want: ['MODIFIED', 'DELETED'],
  },
  {
    name: 'takes away what was there before and belongs no more',
    changes: [
      ['MODIFIED', 'db'],
      ['MODIFIED', 'db'],
    ],
    want: ['DELETED'],
  },
  { name: 'takes away what was there before and is deleted', changes: [['DELETED', 'db']], want: ['DELETED'] },
];
for (const { name, changes, want } of cases) {
  test(`a selected watch ${name}`, () => {
    const select = selectedEvents<GlobalNetworkSet>(({ metadata }) => metadata.labels?.role === 'web');
    const told = changes.flatMap(([type, role]) => select({ type, object: globalNetworkSet('a', { role }) }) ?? []);
    expect(told.map(({ type }) => type)).toEqual(want as (typeof told)[number]['type'][]);
  });
}

test('a selected watch passes bookmarks on', () => {
  const bookmark = { type: 'BOOKMARK', resourceVersion: '7' } as const;
  expect(selectedEvents<GlobalNetworkSet>(() => false)(bookmark)).toEqual(bookmark);
});
