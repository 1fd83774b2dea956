import { expect, test } from 'bun:test';
import { type Labels, ownLabel } from './labels.ts';
import { OwnerIndex } from './owner-index.ts';

test('OwnerIndex finds owners by any label, asked for before or after they came', () => {
  const owners: { readonly labels: Labels }[] = [];
  const index = new OwnerIndex<(typeof owners)[number]>({
    all: () => owners,
    label: ({ labels }, label) => ownLabel(labels, label),
  });
  const add = (labels: Labels) => {
    const owner = { labels };
    owners.push(owner);
    index.add(owner, labels);
    return owner;
  };
  const early = Array.from({ length: 100 }, (_, i) => add({ [`label${i}`]: 'x', app: 'web' }));
  for (const [i, owner] of early.entries()) {
    expect([...index.meeting({ label: `label${i}`, value: 'x' })]).toEqual([owner]);
    expect([...index.meeting({ label: `label${i}`, value: undefined })]).toEqual([owner]);
    expect(index.countMeeting({ label: `label${i}`, value: 'y' })).toBe(0);
    index.check();
  }
  const late = add({ unheard: 'x', app: 'db' });
  expect(index.countMeeting({ label: 'app', value: undefined })).toBe(101);
  expect([...index.meeting({ label: 'unheard', value: 'x' })]).toEqual([late]);
  index.remove(late, late.labels);
  owners.pop();
  expect(index.countMeeting({ label: 'app', value: undefined })).toBe(100);
  index.check();
});
