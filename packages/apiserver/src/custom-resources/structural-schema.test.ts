import { expect, test } from 'bun:test';
import { printFieldError } from '@calico/api';
import { parseJsonPath } from './json-path.ts';
import { defaultAndPrune } from './prune.ts';
import { checkStructural, hasCelRules, normalizeSchema } from './structural-schema.ts';
import { validateValue } from './validate-value.ts';

const text = { type: 'string' };

test.each([
  { name: 'no type', schema: { type: 'object', properties: { a: {} } }, fault: 's.properties[a].type: Required value' },
  {
    name: 'an odd type',
    schema: { type: 'object', properties: { a: { type: 'text' } } },
    fault: 'Unsupported value: "text"',
  },
  { name: 'a reference', schema: { type: 'object', $ref: '#/x' }, fault: 's.$ref: Forbidden' },
  {
    name: 'a list without items',
    schema: { type: 'object', properties: { a: { type: 'array' } } },
    fault: 's.properties[a].items',
  },
  {
    name: 'types inside anyOf',
    schema: { type: 'object', anyOf: [{ type: 'object', minProperties: 1 }] },
    fault: 's.anyOf[0].type',
  },
  {
    name: 'both kinds of fields',
    schema: { type: 'object', properties: {}, additionalProperties: text },
    fault: 'exclude each other',
  },
  {
    name: 'a broken pattern',
    schema: { type: 'object', properties: { a: { type: 'string', pattern: '(' } } },
    fault: 'must be a regular expression',
  },
  {
    name: 'a default that does not fit',
    schema: { type: 'object', properties: { a: { type: 'integer', default: 'x' } } },
    fault: 's.properties[a].default',
  },
  {
    name: 'a list without keys',
    schema: {
      type: 'object',
      properties: { a: { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' } },
    },
    fault: 'x-kubernetes-list-map-keys',
  },
  { name: 'a scalar root', schema: { type: 'string' }, fault: 'must be "object" at the root' },
])('a schema with $name is not structural', ({ schema, fault }) => {
  expect(checkStructural(schema, 's').map(printFieldError).join('\n')).toContain(fault);
});

test('int-or-string may be spelled out in anyOf', () => {
  const port = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] };
  expect(checkStructural({ type: 'object', properties: { port } }, 's')).toEqual([]);
});

test('rules in CEL are found at any depth', () => {
  expect(hasCelRules({ type: 'object', properties: { a: { 'x-kubernetes-validations': [{ rule: 'true' }] } } })).toBe(
    true,
  );
  expect(hasCelRules({ type: 'object' })).toBe(false);
});

test.each([
  [{ type: 'integer', minimum: 1 }, 0, 'must be at least 1'],
  [{ type: 'integer', maximum: 1, exclusiveMaximum: true }, 1, 'must be less than 1'],
  [{ type: 'integer', multipleOf: 2 }, 3, 'must be a multiple of 2'],
  [{ type: 'integer', format: 'int32' }, 2 ** 31, 'must fit in 32 bits'],
  [{ type: 'string', maxLength: 1 }, 'äö', 'at most 1 characters'],
  [{ type: 'string', pattern: '^(?i)allow$' }, 'Deny', 'must match'],
  [{ type: 'string', format: 'ipv4' }, '::1', 'must be of format ipv4'],
  [{ type: 'string', format: 'date-time' }, 'now', 'must be of format date-time'],
  [{ type: 'array', items: text, 'x-kubernetes-list-type': 'set' }, ['a', 'a'], 'Duplicate value'],
  [{ type: 'array', items: text, maxItems: 1 }, ['a', 'b'], 'at most 1 items'],
  [{ type: 'object', required: ['a'] }, {}, 'a: Required value'],
  [{ type: 'object', minProperties: 1 }, {}, 'at least 1 fields'],
  [{ type: 'object', additionalProperties: text }, { k: 1 }, 'k: Invalid value: 1: must be a string'],
  [{ 'x-kubernetes-int-or-string': true }, 1.5, 'must be an integer or a string'],
  [{ type: 'string', oneOf: [{ minLength: 1 }, { maxLength: 3 }] }, 'ab', 'exactly one'],
  [{ type: 'string', anyOf: [{ minLength: 5 }, { maxLength: 1 }] }, 'abc', 'at least one'],
  [{ type: 'string', not: { enum: ['x'] } }, 'x', 'must not fit'],
  [{ type: 'string' }, null, 'must be a string'],
] as const)('by %j the value %j is a fault', (schema, value, fault) => {
  expect(
    validateValue(schema as never, value, '')
      .map(printFieldError)
      .join('\n'),
  ).toContain(fault);
});

test.each([
  [{ type: 'string', nullable: true }, null],
  [{ type: 'string', pattern: '^(?i)allow$' }, 'ALLOW'],
  [{ type: 'number' }, 1.5],
  [{ 'x-kubernetes-preserve-unknown-fields': true }, [{ a: 1 }]],
] as const)('by %j the value %j is good', (schema, value) => {
  expect(validateValue(schema as never, value, '')).toEqual([]);
});

test('whole numbers beyond 2^53 are whole numbers', () => {
  expect(validateValue({ type: 'integer', format: 'int64' }, 2n ** 62n, '')).toEqual([]);
});

test('pruning keeps what the schema knows or preserves, and fills in defaults inside defaults', () => {
  const schema = normalizeSchema({
    type: 'object',
    properties: {
      a: { type: 'object', default: {}, properties: { b: { type: 'integer', default: 7 } } },
      empty: { type: 'object' },
      any: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { c: { type: 'object', properties: {} } },
      },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { d: text } } },
      free: { type: 'object', additionalProperties: true },
    },
  });
  const value = JSON.parse(
    '{"x":1,"empty":{"y":1},"any":{"z":{"deep":1},"c":{"gone":1}},"map":{"k":{"d":"1","e":2},"__proto__":{"e":1}},"free":{"f":{"g":1}}}',
  );
  expect(JSON.stringify(defaultAndPrune(schema, value))).toBe(
    '{"empty":{},"any":{"z":{"deep":1},"c":{}},"map":{"k":{"d":"1"},"__proto__":{}},"free":{"f":{"g":1}},"a":{"b":7}}',
  );
});

test.each([
  ['.spec.a', ['1']],
  ['{.spec.a}', ['1']],
  [".metadata.labels['x.y/z']", ['l']],
  ['.metadata.labels.x\\.y/z', ['l']],
  ['.list[1].n', [2]],
  ['.list[*].n', [1, 2]],
  ['.list[?(@.t=="b")].n', [2]],
  ['.nothing.here', []],
] as const)('the path %s finds %j', (path, want) => {
  const value = {
    spec: { a: '1' },
    metadata: { labels: { 'x.y/z': 'l' } },
    list: [
      { t: 'a', n: 1 },
      { t: 'b', n: 2 },
    ],
  };
  expect(parseJsonPath(path)?.(value)).toEqual([...want]);
});

test.each(['..a', '.a[', '.a[?(@.b)]', 'a b['])('%s is no path', path => {
  expect(parseJsonPath(path)).toBeUndefined();
});
