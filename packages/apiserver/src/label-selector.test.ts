import { expect, test } from 'bun:test';
import { matchesLabels, parseLabelSelector } from './label-selector.ts';

const labels = { app: 'web', tier: 'front', 'example.com/n': '5', empty: '' };

const cases: { selector: string; want: boolean }[] = [
  { selector: '', want: true },
  { selector: 'app=web', want: true },
  { selector: 'app==web', want: true },
  { selector: 'app = web , tier = front', want: true },
  { selector: 'app=db', want: false },
  { selector: 'app!=db', want: true },
  { selector: 'missing!=db', want: true },
  { selector: 'missing=db', want: false },
  { selector: 'app in (web,db)', want: true },
  { selector: 'app in (db)', want: false },
  { selector: 'app notin (db, cache)', want: true },
  { selector: 'missing notin (db)', want: true },
  { selector: 'missing in ()', want: false },
  { selector: 'app', want: true },
  { selector: '!app', want: false },
  { selector: '!missing', want: true },
  { selector: '! missing', want: true },
  { selector: 'empty=', want: true },
  { selector: 'example.com/n>4', want: true },
  { selector: 'example.com/n<5', want: false },
  { selector: 'app>1', want: false },
  { selector: 'constructor', want: false },
];

test.each(cases)('label selector "$selector" is $want for the labels', ({ selector, want }) => {
  expect(matchesLabels(parseLabelSelector(selector), labels)).toBe(want);
});

test.each(['=x', 'a=b=c', 'a in (b', 'a in b', 'a>x', '-a', 'a=b,', 'a=b c'])(
  'label selector "%s" is refused',
  text => {
    expect(() => parseLabelSelector(text)).toThrow('Cannot parse label selector');
  },
);

test('a label selector without labels matches an object without labels only when it allows absence', () => {
  expect(matchesLabels(parseLabelSelector('!a'), undefined)).toBe(true);
  expect(matchesLabels(parseLabelSelector('a'), undefined)).toBe(false);
});
