import { afterAll, beforeAll, expect, test } from 'bun:test';
import { kinds, Pod, printJson } from '@calico/api';
import fc from 'fast-check';
import { decodeYaml } from './apply-body.ts';
import { type FieldRequirement, matchesFields, parseFieldSelector } from './field-selector.ts';
import { isJsonObject } from './json.ts';
import { matchesLabels, parseLabelSelector } from './label-selector.ts';
import { applyJsonPatch } from './patch/json-patch.ts';
import { applyMergePatch } from './patch/merge-patch.ts';
import { applyStrategicMergePatch } from './patch/strategic-merge-patch.ts';
import { parseResourcePath } from './request-info.ts';
import { ApiError } from './status.ts';
import { startTestServer, type TestServer } from './testing.ts';
import { fuzz } from './testing-fuzz.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
  expect((await t.call('POST', '/api/v1/namespaces/default/pods', pod)).code).toBe(201);
});
afterAll(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { a: '1' }, finalizers: ['example.com/x'] },
  spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }] },
};

/** Runs what may refuse its input with a 4xx, and nothing else. */
function refusable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof ApiError) || cause.code < 400 || cause.code > 499) throw cause;
    return undefined;
  }
}

const hostile = fc.constantFrom(
  '',
  '/',
  '..',
  '%',
  '%00',
  '%2f',
  '%zz',
  '\u0000',
  '__proto__',
  'constructor',
  '\ud800',
  '💥',
  ' ',
  '(',
  ')',
  ',',
  '=',
  '!',
  '\\',
);
const word = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'api',
      'apis',
      'v1',
      'v3',
      'projectcalico.org',
      'namespaces',
      'default',
      'pods',
      'ippools',
      'status',
      'scale',
      'openapi',
      'watch',
    ),
  },
  hostile,
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
const path = fc.array(word, { maxLength: 8 }).map(words => `/${words.join('/')}`);

fuzz('any REST path is read or names nothing', 'paths', path, text => {
  const parsed = parseResourcePath(text);
  if (parsed !== undefined) expect(parsed.plural.length).toBeGreaterThan(0);
});

const QUERIES = [
  'labelSelector',
  'fieldSelector',
  'limit',
  'continue',
  'resourceVersion',
  'resourceVersionMatch',
  'includeObject',
];
const query = fc.array(fc.tuple(fc.constantFrom(...QUERIES), fc.oneof(word, fc.string({ maxLength: 20 }))), {
  maxLength: 3,
});

fuzz('any GET is answered below 500', 'requests', fc.tuple(path, query), async ([text, parameters]) => {
  const escaped = encodeURI(text.toWellFormed()).replaceAll('?', '%3F').replaceAll('#', '%23').replace(/^\/+/, '/');
  const search = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value.toWellFormed()]));
  const { code } = await t.call('GET', `${escaped}?${search}`);
  expect(code < 500 || code === 504).toBe(true);
});

const fieldValue = fc.string({ unit: fc.constantFrom('a', 'b', ',', '=', '\\', '.', ' ', 'ü'), maxLength: 10 });
const requirement = fc.record({
  field: fc.constantFrom('metadata.name', 'spec.nodeName'),
  value: fieldValue.map(text => text.trim()),
  negated: fc.boolean(),
});
const printField = (r: FieldRequirement): string =>
  `${r.field}${r.negated ? '!=' : '='}${r.value.replace(/[\\,=]/g, '\\$&')}`;

test('field selectors mean what they print', () => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), requirements => {
      expect(parseFieldSelector(requirements.map(printField).join(','))).toEqual(requirements);
    }),
  );
});

const selectorText = fc.oneof(
  fc
    .array(fc.oneof(hostile, fc.constantFrom('a', 'in', 'notin', 'x/y', '==', '!=', '>', '1', 'metadata.name')), {
      maxLength: 12,
    })
    .map(p => p.join('')),
  fc.string({ maxLength: 30 }),
);

fuzz('any field selector is read or refused', 'field-selectors', selectorText, text => {
  const parsed = refusable(() => parseFieldSelector(text));
  if (parsed !== undefined) matchesFields(parsed, () => 'x');
});

fuzz('any label selector is read or refused', 'label-selectors', selectorText, text => {
  const parsed = refusable(() => parseLabelSelector(text));
  if (parsed !== undefined) matchesLabels(parsed, { a: '1' });
});

const label = fc.record({
  key: fc.constantFrom('a', 'b', 'x.y/c'),
  values: fc.uniqueArray(fc.constantFrom('1', '2', 'z'), { minLength: 1, maxLength: 3 }),
  op: fc.constantFrom('in', 'notin', '=', '!=', 'exists', 'absent'),
});
const labels = fc.dictionary(fc.constantFrom('a', 'b', 'x.y/c'), fc.constantFrom('1', '2', 'z'), {
  noNullPrototype: true,
});

test('label selectors agree with their plain meaning', () => {
  const print = ({ key, values, op }: { key: string; values: string[]; op: string }): string => {
    if (op === 'in' || op === 'notin') return `${key} ${op} (${values.join(', ')})`;
    if (op === 'exists') return key;
    return op === 'absent' ? `!${key}` : `${key}${op}${values[0]}`;
  };
  fc.assert(
    fc.property(fc.array(label, { maxLength: 4 }), labels, (terms, having) => {
      const want = terms.every(({ key, values, op }) => {
        const value = having[key];
        if (op === 'exists') return value !== undefined;
        if (op === 'absent') return value === undefined;
        const listed =
          value !== undefined && (op === 'in' || op === 'notin' ? values : values.slice(0, 1)).includes(value);
        return op === 'in' || op === '=' ? listed : !listed;
      });
      expect(matchesLabels(parseLabelSelector(terms.map(print).join(',')), having)).toBe(want);
    }),
  );
});

const key = fc.constantFrom(
  'metadata',
  'labels',
  'name',
  'spec',
  'containers',
  'ports',
  'containerPort',
  'finalizers',
  '$patch',
  '$retainKeys',
  '$setElementOrder/containers',
  '$deleteFromPrimitiveList/finalizers',
  '__proto__',
  'constructor',
  'x',
);
const json = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'json' },
    fc.constantFrom<unknown>(
      null,
      true,
      0,
      -1,
      1.5,
      80,
      '',
      'c',
      'p',
      'delete',
      'replace',
      'merge',
      '\u0000',
      '10.0.0.0/8',
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .array(fc.tuple(key, tie('value')), { maxLength: 4 })
      .map(parts =>
        JSON.parse(`{${[...new Map(parts)].map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`),
      ),
  ),
})).value;
const operation = fc.record(
  {
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
    path: fc
      .array(fc.oneof(key, fc.constantFrom('0', '1', '-', '01', '~1', '~')), { maxLength: 5 })
      .map(p => p.map(x => `/${x}`).join('')),
    from: fc.array(key, { maxLength: 3 }).map(p => p.map(x => `/${x}`).join('')),
    value: json,
  },
  { requiredKeys: ['op', 'path'] },
);

const appliers = {
  merge: (patch: unknown) => applyMergePatch(pod, patch),
  strategic: (patch: unknown) => applyStrategicMergePatch(pod, patch, Pod.schema),
  json: (patch: unknown) => applyJsonPatch(pod, patch),
};

fuzz(
  'any patch applies or is refused, and never changes what it is applied to',
  'patches',
  fc.tuple(json, fc.array(operation, { maxLength: 4 })),
  ([patch, operations]) => {
    const before = JSON.stringify(pod);
    refusable(() => appliers.merge(patch));
    refusable(() => appliers.strategic(patch));
    refusable(() => appliers.json(operations));
    expect(JSON.stringify(pod)).toBe(before);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  },
);

test('a merge patch made of an object without nulls gives that object over an empty one', () => {
  fc.assert(
    fc.property(json, value => {
      fc.pre(!JSON.stringify(value).includes('null'));
      expect(JSON.stringify(applyMergePatch({}, value))).toBe(JSON.stringify(value));
    }),
  );
});

const TYPES = ['merge-patch+json', 'strategic-merge-patch+json', 'json-patch+json', 'apply-patch+yaml'];

fuzz(
  'any patch of a stored object is answered below 500',
  'stored-patches',
  fc.tuple(fc.constantFrom(...TYPES), fc.oneof(json, fc.array(operation, { maxLength: 3 }))),
  async ([type, patch]) => {
    const path = '/api/v1/namespaces/default/pods/p?fieldManager=fuzz&dryRun=All';
    const { code } = await t.call('PATCH', path, JSON.stringify(patch), { 'content-type': `application/${type}` });
    expect(code).toBeLessThan(500);
  },
);

const COLLECTIONS = [
  '/api/v1/namespaces/default/pods',
  '/api/v1/namespaces/default/services',
  '/apis/projectcalico.org/v3/networksets',
  '/apis/projectcalico.org/v3/namespaces/default/networkpolicies',
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
];

fuzz(
  'any object is created or refused below 500',
  'objects',
  fc.tuple(fc.constantFrom(...COLLECTIONS), json),
  async ([collection, object]) => {
    const { code } = await t.call('POST', `${collection}?dryRun=All`, JSON.stringify(object));
    expect(code).toBeLessThan(500);
  },
);

/** Objects that are nearly good: each kind's example with a few of its parts replaced. */
const served = kinds.filter(kind => kind.served);
const nearlyGood = fc.tuple(
  fc.nat({ max: served.length - 1 }),
  fc.array(fc.tuple(fc.nat(), json), { minLength: 1, maxLength: 3 }),
);

/** The value with its `at`-th part (in the order of a walk) replaced. */
function replacePart(value: unknown, at: number, by: unknown): unknown {
  let count = 0;
  const walk = (part: unknown): unknown => {
    if (count++ === at) return by;
    if (Array.isArray(part)) return part.map(walk);
    if (!isJsonObject(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, walk(inner)]));
  };
  return walk(value);
}

fuzz(
  'any object that is nearly good is created or refused below 500',
  'nearly-good',
  nearlyGood,
  async ([n, changes]) => {
    const kind = served[n % served.length];
    if (kind === undefined) return;
    const example: unknown = kind.example();
    const parts = printJson(example).split(/[:,]/).length;
    const object = changes.reduce<unknown>((o, [at, by]) => replacePart(o, at % parts, by), example);
    const root = kind.group === '' ? '/api/v1' : `/apis/${kind.apiVersion}`;
    const namespace = kind.namespaced ? '/namespaces/default' : '';
    const body = printJson(object).replaceAll('"namespace":"shop"', '"namespace":"default"');
    const { code } = await t.call('POST', `${root}${namespace}/${kind.plural}?dryRun=All`, body);
    expect(code).toBeLessThan(500);
  },
);

const yamlText = fc
  .array(
    fc.oneof(
      hostile,
      fc.constantFrom(
        'a: ',
        '- ',
        '\n',
        '  ',
        '&x ',
        '*x',
        '{',
        '}',
        '[',
        ']',
        '"',
        "'",
        '|',
        '>',
        '---',
        '!!int ',
        '<<: ',
        '# ',
        '1',
        '0x1f',
        '2001-01-01',
        '? ',
        ': ',
      ),
    ),
    { maxLength: 20 },
  )
  .map(p => p.join(''));

fuzz('any YAML is read as JSON data or refused', 'yaml', yamlText, text => {
  const read = refusable(() => decodeYaml(new TextEncoder().encode(text)));
  if (read !== undefined) JSON.stringify(read.value, (_, v) => (typeof v === 'bigint' ? v.toString() : v));
});
