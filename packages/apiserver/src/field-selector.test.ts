import { expect, test } from 'bun:test';
import { matchesFields, parseFieldSelector } from './field-selector.ts';

const fields: Record<string, string> = { 'metadata.name': 'a', 'spec.odd': 'x,y=z\\' };

test.each([
  { selector: '', want: true },
  { selector: 'metadata.name=a', want: true },
  { selector: 'metadata.name==a', want: true },
  { selector: 'metadata.name!=a', want: false },
  { selector: 'metadata.name=a,spec.none=', want: true },
  { selector: 'metadata.name=a,metadata.name!=b', want: true },
  { selector: 'spec.odd=x\\,y\\=z\\\\', want: true },
])('field selector "$selector" is $want', ({ selector, want }) => {
  expect(matchesFields(parseFieldSelector(selector), field => fields[field])).toBe(want);
});

test.each(['a', '=b', 'a=b=c'])('field selector "%s" is refused', text => {
  expect(() => parseFieldSelector(text)).toThrow('Cannot parse field selector');
});
