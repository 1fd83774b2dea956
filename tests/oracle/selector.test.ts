import { describe, expect, test } from 'bun:test';
import { selects } from './selector.ts';

const labels = { role: 'db', env: 'prod-eu', in: 'yes', 'example.com/team': 'red' };

describe('selects', () => {
  const cases: [selector: string, selected: boolean][] = [
    ['', true],
    ['all()', true],
    ['global()', true],
    ['all( )', true],
    [`role == 'db'`, true],
    [`role=="db"`, true],
    [`role != 'db'`, false],
    [`absent == ''`, false],
    [`absent != 'x'`, true],
    [`role in {'web', 'db'}`, true],
    [`role in {'web', 'db',}`, true],
    [`role in {}`, false],
    [`role not in {}`, true],
    [`role not in {'db'}`, false],
    [`role notin {'web'}`, true],
    [`absent in {'x'}`, false],
    [`absent not in {'x'}`, true],
    [`env contains 'd-e'`, true],
    [`env starts with 'prod'`, true],
    [`env startswith 'eu'`, false],
    [`env ends with "eu"`, true],
    [`absent contains ''`, false],
    [`in == 'yes'`, true],
    [`in in {'yes'}`, true],
    ['has(role)', true],
    ['has( role )', true],
    ['!has(role)', false],
    ['!!has(role)', true],
    ['!has(absent)', true],
    [`example.com/team == 'red'`, true],
    [`role == 'db' && env == 'x' || has(in)`, true],
    [`role == 'db' && (env == 'x' || has(absent))`, false],
    [`has(absent) || has(role) && has(in)`, true],
    [`(has(absent) || has(role)) && has(absent)`, false],
    [`!(has(role) && has(absent))`, true],
    [`role == "it's"`, false],
  ];
  for (const [selector, selected] of cases) {
    test(`${selector || '(empty)'} gives ${selected}`, () => expect(selects(selector, labels)).toBe(selected));
  }

  test('all() and global() say what the asker means by them', () => {
    expect(selects('all()', {}, { all: false, global: true })).toBe(false);
    expect(selects('!global()', {}, { all: true, global: false })).toBe(true);
  });
});

describe('selects refuses', () => {
  for (const text of [
    'role',
    'role =',
    `role == db`,
    `role == 'db`,
    `(role == 'db'`,
    `has(role`,
    `role in 'db'`,
    'has(a) has(b)',
    '&&',
  ]) {
    test(text, () => expect(() => selects(text, {})).toThrow('Cannot read selector'));
  }
});
