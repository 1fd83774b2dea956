import { expect, test } from 'bun:test';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const merged = (key: string, properties: object = {}) => ({
  type: 'array',
  items: { type: 'object', properties },
  'x-kubernetes-patch-strategy': 'merge',
  'x-kubernetes-patch-merge-key': key,
});

const schema = {
  type: 'object',
  properties: {
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    containers: merged('name', { ports: merged('containerPort'), args: { type: 'array', items: { type: 'string' } } }),
    tolerations: { type: 'array', items: { type: 'object' } },
    finalizers: { type: 'array', items: { type: 'string' }, 'x-kubernetes-patch-strategy': 'merge' },
    volumes: {
      ...merged('name', { hostPath: { type: 'object' } }),
      'x-kubernetes-patch-strategy': 'merge,retainKeys',
    },
    strategy: { type: 'object', 'x-kubernetes-patch-strategy': 'retainKeys' },
    whole: { type: 'object', 'x-kubernetes-patch-strategy': 'replace' },
  },
};

const original = {
  labels: { a: '1', b: '2' },
  containers: [
    { name: 'one', image: 'i1', args: ['x'], ports: [{ containerPort: 80, name: 'http' }] },
    { name: 'two', image: 'i2' },
  ],
  tolerations: [{ key: 't' }],
  finalizers: ['f1', 'f2'],
  volumes: [{ name: 'v', hostPath: { path: '/x' } }],
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
  whole: { a: 1, b: 2 },
};
const [one, two] = original.containers;

const cases: { name: string; patch: object; want: object }[] = [
  {
    name: 'merges maps and deletes by null',
    patch: { labels: { a: null, c: '3' } },
    want: { labels: { b: '2', c: '3' } },
  },
  {
    name: 'merges a list item by its merge key',
    patch: { containers: [{ name: 'two', image: 'new' }] },
    want: { containers: [one, { name: 'two', image: 'new' }] },
  },
  {
    name: 'appends an item with a new key',
    patch: { containers: [{ name: 'three', image: 'i3', gone: null }] },
    want: { containers: [one, two, { name: 'three', image: 'i3' }] },
  },
  {
    name: 'merges lists inside list items, replaces those without strategy',
    patch: {
      containers: [{ name: 'one', args: ['y'], ports: [{ containerPort: 81 }, { containerPort: 80, name: null }] }],
    },
    want: {
      containers: [
        { name: 'one', image: 'i1', args: ['y'], ports: [{ containerPort: 80 }, { containerPort: 81 }] },
        two,
      ],
    },
  },
  { name: 'replaces atomic lists', patch: { tolerations: [{ key: 'u' }] }, want: { tolerations: [{ key: 'u' }] } },
  {
    name: 'deletes a list item by directive',
    patch: { containers: [{ name: 'one', $patch: 'delete' }] },
    want: { containers: [two] },
  },
  {
    name: 'replaces a merged list by directive',
    patch: { containers: [{ name: 'x', image: 'y' }, { $patch: 'replace' }] },
    want: { containers: [{ name: 'x', image: 'y' }] },
  },
  {
    name: 'replaces a map by directive',
    patch: { labels: { $patch: 'replace', z: '9' } },
    want: { labels: { z: '9' } },
  },
  { name: 'empties a map by directive', patch: { labels: { $patch: 'delete' } }, want: { labels: {} } },
  { name: 'unites primitive lists', patch: { finalizers: ['f2', 'f3'] }, want: { finalizers: ['f1', 'f2', 'f3'] } },
  {
    name: 'takes values out of primitive lists',
    patch: { '$deleteFromPrimitiveList/finalizers': ['f1'], '$setElementOrder/finalizers': ['f2'] },
    want: { finalizers: ['f2'] },
  },
  {
    name: 'orders a list by $setElementOrder',
    patch: {
      containers: [{ name: 'zero' }],
      '$setElementOrder/containers': [{ name: 'two' }, { name: 'zero' }, { name: 'one' }],
    },
    want: { containers: [two, { name: 'zero' }, one] },
  },
  {
    name: 'keeps items that $setElementOrder does not name in their place',
    patch: { '$setElementOrder/containers': [{ name: 'two' }] },
    want: { containers: [one, two] },
  },
  {
    name: 'retains only the keys of $retainKeys',
    patch: { strategy: { type: 'Recreate', $retainKeys: ['type'] } },
    want: { strategy: { type: 'Recreate' } },
  },
  {
    name: 'retains keys inside list items',
    patch: { volumes: [{ name: 'v', emptyDir: {}, $retainKeys: ['name', 'emptyDir'] }] },
    want: { volumes: [{ name: 'v', emptyDir: {} }] },
  },
  { name: 'replaces maps with strategy replace', patch: { whole: { c: 3 } }, want: { whole: { c: 3 } } },
  {
    name: 'adds unknown fields as a merge patch would',
    patch: { other: { a: 1, b: null } },
    want: { other: { a: 1 } },
  },
  { name: 'deletes a whole list by null', patch: { containers: null }, want: { containers: undefined } },
];

test.each(cases)('a strategic merge patch $name', ({ patch, want }) => {
  const before = structuredClone(original);
  expect(applyStrategicMergePatch(original, patch, schema)).toEqual({ ...original, ...want });
  expect(original).toEqual(before);
});

test.each([
  { name: 'an item without merge key', patch: { containers: [{ image: 'x' }] }, text: 'merge key "name"' },
  { name: 'an unknown directive', patch: { labels: { $patch: 'x' } }, text: 'allowed: merge, replace, delete' },
  { name: 'an order that is no list', patch: { '$setElementOrder/finalizers': 1 }, text: 'is not a list' },
])('a strategic merge patch with $name is refused', ({ patch, text }) => {
  expect(() => applyStrategicMergePatch(original, patch, schema)).toThrow(text);
});
