import { expect, test } from 'bun:test';
import { parseLabelSelector } from './label-selector.ts';

const labels = { app: 'web', tier: 'front', 'example.com/zone': 'a' };

const cases: { name: string; selector: string; want: boolean | undefined }[] = [
  { name: 'the empty selector matches everything', selector: '', want: true },
  { name: 'equality', selector: 'app=web', want: true },
  { name: 'equality with two signs and spaces', selector: ' app == web ', want: true },
  { name: 'equality of another value', selector: 'app=db', want: false },
  { name: 'inequality', selector: 'app!=db', want: true },
  { name: 'inequality of an absent label holds', selector: 'other!=db', want: true },
  { name: 'membership', selector: 'tier in (back, front)', want: true },
  { name: 'non-membership', selector: 'tier notin (back,front)', want: false },
  { name: 'non-membership of an absent label holds', selector: 'other notin (a)', want: true },
  { name: 'existence', selector: 'example.com/zone', want: true },
  { name: 'absence', selector: '!other', want: true },
  { name: 'absence of a present label', selector: '! app', want: false },
  { name: 'several requirements must all hold', selector: 'app=web,tier in (front),!other', want: true },
  { name: 'one failing requirement fails all', selector: 'app=web,tier=back', want: false },
  { name: 'nonsense does not parse', selector: 'app=(', want: undefined },
  { name: 'an unknown operator does not parse', selector: 'app near (a)', want: undefined },
];

for (const { name, selector, want } of cases) {
  test(`parseLabelSelector: ${name}`, () => {
    expect(parseLabelSelector(selector)?.(labels)).toBe(want as boolean);
  });
}

test('parseLabelSelector: absent labels are as no labels', () => {
  expect(parseLabelSelector('!app')?.(undefined)).toBe(true);
});
