import { beforeAll, describe, expect, test } from 'bun:test';
import { printFieldError } from '@calico/api';
import type { JsonObject } from '../../json.ts';
import { loadCel } from './load.ts';
import { checkRules, compileRules } from './rules.ts';

beforeAll(loadCel);

const string = { type: 'string' };
const port = {
  type: 'object',
  properties: { name: string, port: { type: 'integer' }, target: { 'x-kubernetes-int-or-string': true } },
};
const SPEC: JsonObject = {
  type: 'object',
  properties: {
    name: string,
    class: string,
    size: { type: 'integer', format: 'int64' },
    ratio: { type: 'number' },
    cidr: string,
    namespace: string,
    'a-b.c': string,
    until: { type: 'string', format: 'date-time' },
    wait: { type: 'string', format: 'duration' },
    data: { type: 'string', format: 'byte' },
    nothing: { type: 'string', nullable: true },
    tags: { type: 'array', items: string },
    ports: { type: 'array', items: port, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
    labels: { type: 'object', additionalProperties: string },
    extra: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};
const whole = (spec: JsonObject): JsonObject => ({ type: 'object', properties: { spec } });
const withRule = (rule: string | JsonObject, at: JsonObject = SPEC): JsonObject =>
  whole({ ...at, 'x-kubernetes-validations': [typeof rule === 'string' ? { rule } : rule] });

const VALUE = {
  name: 'web',
  class: 'x',
  size: 3,
  ratio: 1,
  cidr: '10.0.0.1/8',
  namespace: 'n',
  'a-b.c': 'dashed',
  until: '2026-01-01T00:00:00Z',
  wait: '90s',
  data: 'aGk=',
  nothing: null,
  tags: ['a', 'b'],
  ports: [
    { name: 'http', port: 80, target: 'web' },
    { name: 'dns', port: 53, target: 5353 },
  ],
  labels: { k: 'v' },
  extra: { unknown: 1 },
};

function faults(schema: JsonObject, spec: unknown, old?: unknown): string[] {
  const { tree, faults, lacking } = compileRules(schema, 's');
  expect([faults.map(printFieldError), lacking]).toEqual([[], []]);
  if (tree === undefined) throw new Error('no rules');
  return checkRules(tree, { spec }, old === undefined ? undefined : { spec: old }, '').map(printFieldError);
}

describe('a rule that holds', () => {
  test.each([
    "self.name == 'web' && self.name.size() == 3 && size(self.tags) == 2",
    'self.size > 2 && self.size < 3.5 && self.size + 1 == 4',
    'self.ratio >= 1.0 && self.ratio < 2',
    "self.name.startsWith('w') && self.name.matches('^[a-z]+$') && 'b' in self.tags",
    "self.__namespace__ == 'n' && self.a__dash__b__dot__c == 'dashed'",
    "self.until > timestamp('2025-01-01T00:00:00Z') && self.until.getFullYear() == 2026",
    "self.wait == duration('1m30s') && self.wait < duration('2m')",
    "self.data == b'hi'",
    '!has(self.nothing) && has(self.name)',
    'self.ports.all(p, p.port > 0 && p.port < 65536)',
    "self.ports.exists_one(p, p.name == 'dns') && self.ports.exists(p, p.target == 5353)",
    "self.ports.map(p, p.port).sum() == 133 && self.ports.map(p, p.name).join(',') == 'http,dns'",
    'self.ports.filter(p, p.port < 60).size() == 1 && self.ports.map(p, p.port).max() == 80',
    'self.ports == self.ports && self.ports[0] == self.ports[0] && self.ports[0] != self.ports[1]',
    'self.ports[1] in self.ports',
    "self.labels.all(k, self.labels[k] == 'v') && 'k' in self.labels && self.labels['k'] == 'v'",
    "isCIDR(self.cidr) && cidr(self.cidr).masked() == cidr('10.0.0.0/8') && cidr(self.cidr) != cidr(self.cidr).masked()",
    "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('::1'))",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr(self.cidr).prefixLength() == 8 && ip('fe80::1').family() == 6",
    "ip('127.0.0.1').isLoopback() && ip('169.254.1.1').isLinkLocalUnicast() && ip('8.8.8.8').isGlobalUnicast() && !isIP('1.2.3')",
    "isURL('https://example.com:80/a') && url('https://example.com:8443/a').getPort() == '8443' && !isURL('/a b')",
    "'a-b-c'.replace('-', '+', 1) == 'a+b-c' && 'abc'.charAt(1) == 'b' && 'abc'.find('[b-c]+') == 'bc'",
    "self.tags.isSorted() && self.tags.indexOf('b') == 1 && ' x '.trim().upperAscii() == 'X'",
    "self.?class.orValue('y') == 'x' && self.?nothing.orValue('none') == 'none'",
    "(has(self.name) ? self.name : 'none') == 'web'",
    'self.size in [1, 2, 3] && type(self.name) == string',
  ])('%s', rule => {
    expect(faults(withRule(rule), VALUE)).toEqual([]);
    expect(faults(withRule(`!(${rule})`), VALUE)).toHaveLength(1);
  });
});

describe('a rule that does not hold', () => {
  const of = (rule: JsonObject) => faults(withRule({ rule: 'self.size < 3', ...rule }), VALUE);

  test('says its message, or itself', () => {
    expect(of({})).toEqual(['spec: Invalid value: "object": failed rule: self.size < 3']);
    expect(of({ message: 'too large' })).toEqual(['spec: Invalid value: "object": too large']);
  });
  test('says what its messageExpression gives, unless that is nothing', () => {
    const made = "'size is ' + string(self.size)";
    expect(of({ messageExpression: made, message: 'm' })).toEqual(['spec: Invalid value: "object": size is 3']);
    for (const none of ["''", "'a\\nb'", 'self.class + self.labels["absent"]'])
      expect(of({ messageExpression: none, message: 'm' })).toEqual(['spec: Invalid value: "object": m']);
  });
  test('names the field and the reason that it was given', () => {
    expect(of({ fieldPath: '.size', reason: 'FieldValueForbidden', message: 'm' })[0]).toStartWith(
      'spec.size: Forbidden: m',
    );
    expect(of({ fieldPath: '.labels', reason: 'FieldValueDuplicate' })[0]).toStartWith('spec.labels: Duplicate value');
    expect(of({ fieldPath: '.name', reason: 'FieldValueRequired', message: 'm' })[0]).toStartWith(
      'spec.name: Required value: m',
    );
  });
  test('is told of every item and field that has it', () => {
    const schema = withRule('true', {
      type: 'object',
      properties: {
        list: { type: 'array', items: { ...string, 'x-kubernetes-validations': [{ rule: 'self.size() < 3' }] } },
        map: {
          type: 'object',
          additionalProperties: { ...string, 'x-kubernetes-validations': [{ rule: "self != 'no'" }] },
        },
      },
    });
    expect(faults(schema, { list: ['ab', 'abc'], map: { a: 'no', b: 'yes' } })).toEqual([
      'spec.list[1]: Invalid value: "string": failed rule: self.size() < 3',
      'spec.map.a: Invalid value: "string": failed rule: self != \'no\'',
    ]);
  });
  test('tells why it could not be evaluated', () => {
    expect(faults(withRule('self.nothing == "x"'), VALUE)[0]).toContain('evaluating rule: self.nothing == "x"');
    expect(faults(withRule('self.size / 0 == 1'), VALUE)[0]).toContain('division by zero');
  });
  test('sees the name of the whole object, and nothing else of its metadata', () => {
    const schema: JsonObject = { type: 'object', 'x-kubernetes-validations': [{ rule: "self.metadata.name == 'a'" }] };
    const { tree } = compileRules(schema, 's');
    expect(tree && checkRules(tree, { metadata: { name: 'a' } }, undefined, '')).toEqual([]);
    expect(tree && checkRules(tree, { metadata: { name: 'b' } }, undefined, '')).toHaveLength(1);
    const labels = {
      ...schema,
      'x-kubernetes-validations': [{ rule: 'has(self.metadata) && self.metadata.labels.size() > 0' }],
    };
    expect(compileRules(labels, 's').faults).toHaveLength(1);
  });
});

describe('a rule about the value before', () => {
  const immutable = withRule({ rule: 'self.name == oldSelf.name', message: 'fixed' });

  test('is for updates only', () => {
    expect(faults(immutable, VALUE)).toEqual([]);
    expect(faults(immutable, VALUE, VALUE)).toEqual([]);
    expect(faults(immutable, VALUE, { ...VALUE, name: 'was' })).toEqual(['spec: Invalid value: "object": fixed']);
  });
  test('can take an optional, and then is for creation too', () => {
    const schema = withRule({ rule: 'oldSelf.hasValue() || self.size == 1', optionalOldSelf: true });
    expect(faults(schema, VALUE)).toHaveLength(1);
    expect(faults(schema, { ...VALUE, size: 1 })).toEqual([]);
    expect(faults(schema, VALUE, { ...VALUE, size: 9 })).toEqual([]);
    const grows = withRule({ rule: '!oldSelf.hasValue() || oldSelf.value().size <= self.size', optionalOldSelf: true });
    expect(faults(grows, VALUE, { ...VALUE, size: 9 })).toHaveLength(1);
  });
  test('finds items of a list by their keys', () => {
    const ports = {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: { ...port, 'x-kubernetes-validations': [{ rule: 'self.port == oldSelf.port', message: 'fixed' }] },
    };
    const schema = whole({ type: 'object', properties: { ports } });
    const [http, dns] = VALUE.ports;
    expect(faults(schema, { ports: [dns, http] }, { ports: [http, dns] })).toEqual([]);
    expect(faults(schema, { ports: [{ ...dns, port: 54 }, http] }, { ports: [http, dns] })).toEqual([
      'spec.ports[0]: Invalid value: "object": fixed',
    ]);
    expect(faults(schema, { ports: [http, dns] }, { ports: [http] })).toEqual([]);
  });
});

test('what an update leaves as it was keeps its faults', () => {
  const schema = withRule('self.size < 3');
  expect(faults(schema, VALUE, VALUE)).toEqual([]);
  expect(faults(schema, { ...VALUE, name: 'other' }, VALUE)).toHaveLength(1);
});

test.each([
  ['self.size ==', 'compilation failed'],
  ['self.nope == 1', 'no such key: nope'],
  ['has(self.nope)', 'no such key: nope'],
  ['self.ports.all(p, !has(p.nope))', 'no such key: nope'],
  ['has(self)', 'has() invalid argument'],
  ['self.size in [1, "a"]', 'List elements'],
  ['self.size == "a"', 'no such overload'],
  ['self.size + 1', 'must evaluate to bool, not int'],
  ['nope(self.name)', 'nope'],
  ['other == 1', 'other'],
  ['', 'rule is not specified'],
] as const)('the rule %p is refused with its definition: %s', (rule, words) => {
  const { faults } = compileRules(withRule(rule), 's');
  expect(faults.map(printFieldError).join('\n')).toContain(words);
  expect(faults[0]?.path).toBe('s.properties[spec].x-kubernetes-validations[0].rule');
});

test.each<[JsonObject, string]>([
  [{ rule: 'true', messageExpression: '1' }, 'must evaluate to string, not int'],
  [{ rule: 'true', reason: 'Whim' }, 'supported values: FieldValueInvalid'],
  [{ rule: 'true', fieldPath: 'a..b' }, 'must be a path of fields'],
  [{ rule: 'true', fieldPath: '.nope' }, 'must be a path of fields'],
  [{ rule: 'true', optionalOldSelf: true }, 'oldSelf is not used'],
])('%j is refused with its definition', (rule, words) => {
  expect(compileRules(withRule(rule), 's').faults.map(printFieldError).join('\n')).toContain(words);
});

test('a rule about the value before is refused where items of a list have none', () => {
  const tags = { type: 'array', items: { ...string, 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] } };
  const { faults } = compileRules(whole({ type: 'object', properties: { tags } }), 's');
  expect(faults[0]?.message).toContain('uncorrelatable portion');
});

test('a rule with a function that the engine lacks is kept, and named', () => {
  for (const rule of [
    "quantity('1Gi').isGreaterThan(quantity('1Mi'))",
    'self.tags.all(i, v, v != string(i))',
    "semver('1.0.0').major() == 1",
    'self.?name.optMap(n, n.size()).orValue(0) == 3',
  ]) {
    const { faults, lacking, tree } = compileRules(withRule(rule), 's');
    expect([faults, lacking.length, tree]).toEqual([[], 1, undefined]);
    expect(lacking[0]).toContain(rule);
  }
  expect(compileRules(withRule("self.name != 'quantity(1)'"), 's').lacking).toEqual([]);
});
