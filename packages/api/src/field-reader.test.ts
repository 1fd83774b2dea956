import { expect, test } from 'bun:test';
import { fieldReader } from './field-reader.ts';

const value = {
  spec: { tier: 'a', none: null },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Other', status: 'False' },
    ],
  },
};

test.each([
  { path: '.spec.tier', want: 'a' },
  { path: '.spec.none', want: null },
  { path: '.spec.order', want: undefined },
  { path: '.spec.tier.name', want: undefined },
  { path: '.spec.constructor', want: undefined },
  { path: ".status.conditions[?(@.type=='Other')].status", want: 'False' },
  { path: ".status.conditions[?(@.type=='Gone')].status", want: undefined },
  { path: ".spec[?(@.type=='Gone')].status", want: undefined },
])('$path', ({ path, want }) => {
  expect(fieldReader(path)(value)).toEqual(want);
});
