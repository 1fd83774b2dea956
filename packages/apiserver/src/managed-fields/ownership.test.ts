import { describe, expect, test } from 'bun:test';
import type { AnyResource, Kind } from '@calico/api';
import { Deployment, NetworkSet, Node, Pod, Service } from '@calico/api';
import fc from 'fast-check';
import {
  difference,
  EMPTY,
  equalSets,
  type FieldSet,
  intersection,
  isEmpty,
  LEAF,
  parseFieldsV1,
  printFieldsV1,
  printPaths,
  setOf,
  union,
} from './field-set.ts';
import type { Manager } from './managers.ts';
import { applyConfiguration, recordApply, recordUpdate } from './ownership.ts';

const manager = (name: string, operation: Manager['operation'], subresource?: string): Manager => ({
  name,
  operation,
  apiVersion: 'v1',
  subresource,
});
const time = '2026-01-01T00:00:00Z';

function apply(kind: Kind, live: AnyResource, name: string, config: object, force = false): AnyResource {
  const whole = { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name: 'x' }, ...config } as AnyResource;
  const recording = { kind, manager: manager(name, 'Apply'), time };
  const { object, managers } = applyConfiguration(live, whole, force, recording);
  return recordApply(object, managers);
}

const update = (kind: Kind, old: AnyResource | undefined, now: AnyResource, name: string, subresource?: string) =>
  recordUpdate(old, now, undefined, { kind, manager: manager(name, 'Update', subresource), time });

const bare = (kind: Kind, rest: object = {}): AnyResource => ({
  apiVersion: kind.apiVersion,
  kind: kind.kind,
  metadata: { name: 'x' },
  ...rest,
});

const owners = (object: AnyResource): Record<string, unknown> =>
  Object.fromEntries(
    (object.metadata.managedFields ?? []).map(raw => {
      const { manager: name, fieldsV1 } = raw as { manager: string; fieldsV1: unknown };
      return [name, fieldsV1];
    }),
  );

const containers = (...list: object[]) => ({ spec: { containers: list } });

describe('applied fields', () => {
  test('are leaves, items by key with all their keys, members of sets, and atomic lists and maps as a whole', () => {
    const pod = apply(Pod as unknown as Kind, bare(Pod as unknown as Kind), 'a', {
      metadata: { name: 'x', labels: { l: '1' }, finalizers: ['example.com/f'] },
      spec: {
        containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }], args: ['x'] }],
        tolerations: [{ key: 'k' }],
      },
    });
    expect(owners(pod).a).toEqual({
      'f:metadata': { 'f:labels': { 'f:l': {} }, 'f:finalizers': { 'v:"example.com/f"': {} } },
      'f:spec': {
        'f:containers': {
          'k:{"name":"c"}': {
            '.': {},
            'f:name': {},
            'f:image': {},
            'f:args': {},
            'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
          },
        },
        'f:tolerations': {},
      },
    });
  });

  test('leave identity and the status to others', () => {
    const config = { metadata: { name: 'x', labels: { a: 'b' } }, status: { addresses: [] } };
    const node = apply(Node as unknown as Kind, bare(Node as unknown as Kind), 'a', config);
    expect(owners(node)).toEqual({ a: { 'f:metadata': { 'f:labels': { 'f:a': {} } } } });
    expect(node.status).toBeUndefined();
  });
});

const setKind = NetworkSet as unknown as Kind;
const podKind = Pod as unknown as Kind;
const serviceKind = Service as unknown as Kind;
const one = { name: 'one', image: 'i1' };
const two = { name: 'two', image: 'i2' };

const stories: { name: string; kind: Kind; live: object; last: object; next: object; want: object }[] = [
  {
    name: 'removes a map key that is no longer applied',
    kind: setKind,
    live: {},
    last: { metadata: { labels: { a: '1', b: '2' } } },
    next: { metadata: { labels: { a: '1' } } },
    want: { metadata: { labels: { a: '1' } } },
  },
  {
    name: 'keeps keys that others set',
    kind: setKind,
    live: { metadata: { labels: { other: '1' } } },
    last: { metadata: { labels: { a: '1' } } },
    next: {},
    want: { metadata: { labels: { other: '1' } } },
  },
  {
    name: 'removes a list item with what nobody owns in it',
    kind: podKind,
    live: containers(one),
    last: containers(two),
    next: {},
    want: containers(one),
  },
  {
    name: 'replaces an atomic list',
    kind: podKind,
    live: containers(one),
    last: containers({ name: 'one', args: ['a', 'b'] }),
    next: containers({ name: 'one', args: ['c'] }),
    want: containers({ ...one, args: ['c'] }),
  },
  {
    name: 'keeps the order of applied items, others in their place',
    kind: podKind,
    live: containers(one, two),
    last: {},
    next: containers({ name: 'zero', image: 'i0' }, two),
    want: containers(one, { name: 'zero', image: 'i0' }, two),
  },
  {
    name: 'merges members of a set',
    kind: setKind,
    live: { metadata: { finalizers: ['a.b/1'] } },
    last: { metadata: { finalizers: ['a.b/2'] } },
    next: { metadata: { finalizers: ['a.b/3'] } },
    want: { metadata: { finalizers: ['a.b/1', 'a.b/3'] } },
  },
  {
    name: 'tells ports apart by port and protocol, the default one included',
    kind: serviceKind,
    live: { spec: { ports: [{ name: 'u', port: 53, protocol: 'UDP' }] } },
    last: {},
    next: { spec: { ports: [{ name: 't', port: 53 }] } },
    want: {
      spec: {
        ports: [
          { name: 't', port: 53 },
          { name: 'u', port: 53, protocol: 'UDP' },
        ],
      },
    },
  },
];

test.each(stories)('apply $name', ({ kind, live, last, next, want }) => {
  const start = recordUpdate(
    undefined,
    {
      ...bare(kind),
      ...live,
      metadata: { ...bare(kind).metadata, ...('metadata' in live ? (live.metadata as object) : {}) },
    },
    undefined,
    {
      kind,
      manager: manager('before', 'Update'),
      time,
    },
  );
  const named = (o: { metadata?: object }) => ({ ...o, metadata: { name: 'x', ...o.metadata } });
  const first = apply(kind, start, 'applier', named(last));
  const second = apply(kind, first, 'applier', named(next));
  const { managedFields: _m, name: _n, ...metadata } = second.metadata;
  const { metadata: wanted = {}, ...rest } = want as { metadata?: object };
  const sorted = (o: object) => JSON.parse(JSON.stringify(o));
  if (kind !== serviceKind) {
    expect(sorted({ ...second, metadata })).toMatchObject(sorted({ ...rest, metadata: wanted }));
    for (const key of Object.keys(metadata)) expect(Object.keys(wanted)).toContain(key);
  } else {
    const { spec } = second as unknown as { spec: { ports: { name: string }[] } };
    expect(spec.ports.map(p => p.name).toSorted()).toEqual(['t', 'u']);
  }
});

describe('conflicts', () => {
  const start = update(
    Deployment as unknown as Kind,
    undefined,
    bare(Deployment as unknown as Kind, { spec: { replicas: 1, paused: false } }),
    'maker',
  );

  test('arise where another manager owns a field that would change, and name each of them', () => {
    const act = () => apply(Deployment as unknown as Kind, start, 'a', { spec: { replicas: 2, paused: true } });
    expect(act).toThrow(
      expect.objectContaining({
        code: 409,
        reason: 'Conflict',
        message: `Apply failed with 2 conflicts: conflicts with "maker" using v1 at ${time}:\n- .spec.paused\n- .spec.replicas`,
      }),
    );
  });

  test('do not arise for equal values: the field then has two owners, and stays until both let go', () => {
    const shared = apply(Deployment as unknown as Kind, start, 'a', { spec: { replicas: 1 } });
    expect(Object.keys(owners(shared))).toEqual(['a', 'maker']);
    expect(apply(Deployment as unknown as Kind, shared, 'a', {}).spec).toEqual({ replicas: 1, paused: false });
  });

  test('are overruled by force: the field changes its owner', () => {
    const taken = apply(Deployment as unknown as Kind, start, 'a', { spec: { replicas: 2 } }, true);
    expect(taken.spec).toEqual({ replicas: 2, paused: false });
    expect(owners(taken).a).toEqual({ 'f:spec': { 'f:replicas': {} } });
    expect(JSON.stringify(owners(taken).maker)).not.toContain('replicas');
  });
});

describe('updates', () => {
  test('own what they change, take it from others, and lose what they remove', () => {
    const made = update(setKind, undefined, bare(setKind, { spec: { nets: ['10.0.0.0/8'] } }), 'one');
    const labelled = { ...made, metadata: { ...made.metadata, labels: { a: '1' } } };
    const second = update(setKind, made, labelled, 'two');
    expect(owners(second).two).toEqual({ 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } });
    const third = update(setKind, second, { ...second, spec: { nets: [] } }, 'two');
    expect(JSON.stringify(owners(third).one)).not.toContain('10.0.0.0/8');
    const { labels: _gone, ...metadata } = third.metadata;
    const fourth = update(setKind, third, { ...third, metadata }, 'three');
    expect(JSON.stringify(owners(fourth))).not.toContain('f:labels');
  });

  test('that change nothing leave managedFields alone', () => {
    const made = update(setKind, undefined, bare(setKind, { spec: {} }), 'one');
    expect(update(setKind, made, { ...made }, 'two')).toEqual(made);
  });

  test('of more than ten managers are merged into one', () => {
    let object = bare(setKind, { spec: {} });
    for (let i = 0; i < 15; i++) {
      const next = {
        ...object,
        metadata: { ...object.metadata, labels: { ...object.metadata.labels, [`l${i}`]: '1' } },
      };
      object = update(setKind, object, next, `m${i}`);
    }
    expect(object.metadata.managedFields).toHaveLength(10);
    expect(Object.keys(owners(object))).toContain('ancient-changes');
  });

  test('may forget who owned what, or say it', () => {
    const made = update(setKind, undefined, bare(setKind, { spec: { nets: ['10.0.0.0/8'] } }), 'one');
    const how = { kind: setKind, manager: manager('x', 'Update'), time };
    expect(recordUpdate(made, made, [{}], how).metadata.managedFields).toBeUndefined();
    const given = [
      { manager: 'm', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': {} } },
    ];
    expect(recordUpdate(made, made, given, how).metadata.managedFields).toEqual(given);
    const broken = [{ ...given[0], fieldsV1: { 'x:spec': {} } }];
    expect(recordUpdate(made, made, broken, how).metadata.managedFields).toEqual(made.metadata.managedFields ?? []);
  });
});

describe('sets of fields', () => {
  const element = fc.oneof(fc.constantFrom('f:a', 'f:b', 'f:c', 'i:0', 'v:"x"', 'v:1', 'k:{"name":"n"}'));
  const { tree } = fc.letrec<{ tree: FieldSet }>(tie => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constant(LEAF),
      fc
        .tuple(fc.boolean(), fc.array(fc.tuple(element, tie('tree')), { maxLength: 3 }))
        .map(([self, parts]) => setOf(self, parts)),
    ),
  }));
  const below = tree.map(set => (set === LEAF ? EMPTY : { ...set, self: false }));

  test('are what they print', () => {
    fc.assert(
      fc.property(below, set => {
        const read = parseFieldsV1(printFieldsV1(set));
        expect(read !== undefined && equalSets(read, set)).toBe(true);
      }),
    );
  });

  test('obey the laws of sets', () => {
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        expect(equalSets(union(a, b), union(b, a))).toBe(true);
        expect(equalSets(union(difference(a, b), intersection(a, b)), a)).toBe(true);
        expect(isEmpty(intersection(difference(a, b), b))).toBe(true);
        expect(printPaths(difference(union(a, b), b)).toSorted()).toEqual(printPaths(difference(a, b)).toSorted());
      }),
    );
  });
});
