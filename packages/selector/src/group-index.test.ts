import { expect, test } from 'bun:test';
import { GroupIndex } from './group-index.ts';
import { Group } from './label-group.ts';

test('GroupIndex finds groups by any label, asked for before or after they came, however many labels are asked for', () => {
  const groups: Group[] = [];
  const index = new GroupIndex(() => groups);
  const add = (labels: Record<string, string>) => {
    const group = new Group(0, labels, []);
    groups.push(group);
    index.add(group);
    return group;
  };
  const early = Array.from({ length: 100 }, (_, i) => add({ [`label${i}`]: 'x', app: 'web' }));
  for (const [i, group] of early.entries()) {
    expect([...index.meeting({ label: `label${i}`, value: 'x' })]).toEqual([group]);
    expect([...index.meeting({ label: `label${i}`, value: undefined })]).toEqual([group]);
    expect(index.countMeeting({ label: `label${i}`, value: 'y' })).toBe(0);
    index.check();
  }
  const late = add({ unheard: 'x', app: 'db' });
  expect(index.countMeeting({ label: 'app', value: undefined })).toBe(101);
  expect([...index.meeting({ label: 'unheard', value: 'x' })]).toEqual([late]);
  index.remove(late);
  groups.pop();
  expect(index.countMeeting({ label: 'app', value: undefined })).toBe(100);
  index.check();
});
