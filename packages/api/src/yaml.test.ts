import { describe, expect, test } from 'bun:test';
import { readYaml, YamlError } from './yaml.ts';

describe('readYaml reads', () => {
  const cases: { name: string; text: string; values: unknown[] }[] = [
    {
      name: 'documents, empty ones left out',
      text: '---\na: 1\n---\n# nothing\n---\nb: 2\n...\n',
      values: [{ a: 1 }, { b: 2 }],
    },
    { name: 'JSON', text: '{"a":[1,2.5,"x\\u0041",null,true]}', values: [{ a: [1, 2.5, 'xA', null, true] }] },
    { name: 'merge keys', text: 'x: &x {a: 1}\ny: {<<: *x, b: 2}', values: [{ x: { a: 1 }, y: { a: 1, b: 2 } }] },
    {
      name: 'whole numbers beyond 2^53 without loss',
      text: 'a: 1763704527000000001\nb: -9007199254740993\nc: +9007199254740993\nd: 0xfffffffffffffffff',
      values: [{ a: 1763704527000000001n, b: -9007199254740993n, c: 9007199254740993n, d: 0xfffffffffffffffffn }],
    },
    {
      name: 'words of YAML 1.1 as text',
      text: 'a: yes\nb: 2020-01-01\nc: on',
      values: [{ a: 'yes', b: '2020-01-01', c: 'on' }],
    },
    { name: 'numbers as keys', text: '80: http\ntrue: x', values: [{ '80': 'http', true: 'x' }] },
    { name: 'text behind a byte order mark', text: '\ufeffa: 1', values: [{ a: 1 }] },
    { name: 'nothing', text: '', values: [] },
  ];
  test.each(cases)('$name', ({ text, values }) => {
    expect(readYaml(text)).toEqual(values);
  });

  test('keys that objects have already as any other', () => {
    expect(JSON.stringify(readYaml('__proto__: {x: 1}\nconstructor: 2'))).toBe(
      '[{"__proto__":{"x":1},"constructor":2}]',
    );
  });

  test('an alias as a copy of its own', () => {
    const [document] = readYaml('a: &a {x: 1}\nb: *a') as [{ a: { x: number }; b: { x: number } }];
    document.b.x = 2;
    expect(document.a.x).toBe(1);
  });
});

describe('readYaml refuses', () => {
  const cases: { name: string; text: string; error: string }[] = [
    { name: 'a key twice', text: 'a: 1\na: 2\n', error: 'duplicated mapping key at line 2, column 1: "a: 2"' },
    { name: 'a key twice in JSON', text: '{"a": 1, "a": 2}', error: 'duplicated mapping key at line 1, column 11: ' },
    { name: 'an open list', text: 'a: [', error: ' at line 1' },
    { name: 'a value within itself', text: 'a: &a [*a]', error: 'perhaps within itself' },
    { name: 'aliases that explode', text: bomb(9, 9), error: 'aliases make it larger' },
    { name: 'thousands of aliases', text: `a: &a x\nb: [${'*a, '.repeat(2000)}]`, error: 'alias' },
    {
      name: 'deep nesting',
      text: `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
      error: 'nested deeper than 128 levels',
    },
    { name: 'deep nesting by indentation', text: nest(3000), error: 'nested deeper than 128 levels' },
    { name: 'a control character', text: 'a: "\u0007"', error: ' at line 1, column 5' },
    { name: 'a null byte', text: 'a: \u0000', error: 'null byte' },
    { name: 'infinity', text: 'a: .inf', error: 'Infinity is a value; allowed: finite numbers' },
    { name: 'a list as key', text: '? [a]\n: b', error: 'keys must be text' },
    { name: 'a tag of its own', text: 'a: !!binary aGk=', error: 'unknown scalar tag' },
  ];
  test.each(cases)('$name', ({ text, error }) => {
    expect(() => readYaml(text)).toThrow(YamlError);
    expect(() => readYaml(text)).toThrow(error);
  });
});

test('readYaml takes time in proportion to the text', () => {
  const small = Array.from(
    { length: 10_000 },
    (_, i) => `metadata: {name: n-${i}}\nspec: {nets: [10.0.0.1/32]}\n`,
  ).join('---\n');
  const keys = `{${Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join(', ')}}`;
  const started = process.cpuUsage().user;
  expect(readYaml(small)).toHaveLength(10_000);
  expect(Object.keys(Object(readYaml(keys)[0]))).toHaveLength(100_000);
  // A second where it is; minutes where keys or documents are compared with each other.
  expect((process.cpuUsage().user - started) / 1e6).toBeLessThan(20);
}, 60_000);

/** Levels of lists, each of which holds the one below so many times. */
function bomb(levels: number, times: number): string {
  const level = (i: number) =>
    i === 0
      ? 'l0: &l0 x'
      : `l${i}: &l${i} [${Array(times)
          .fill(`*l${i - 1}`)
          .join(', ')}]`;
  return Array.from({ length: levels }, (_, i) => level(i)).join('\n');
}

function nest(depth: number): string {
  return Array.from({ length: depth }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
}
