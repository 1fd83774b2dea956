import { describe, expect, test } from 'bun:test';
import {
  BlockAffinity,
  convertUid,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  IPAMConfiguration,
  kinds,
  type ObjectMeta,
  type Resource,
} from '@calico/api';
import fc from 'fast-check';
import { crdForm } from './crd-form.ts';
import { nativeForm } from './group-form.ts';
import { METADATA_ANNOTATION } from './stored-metadata.ts';

const UID = '5f2d1c3a-8b7e-4d6f-9a01-23456789abcd';

function set(metadata: ObjectMeta): GlobalNetworkSet {
  return { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkSet', metadata, spec: { nets: ['10.0.0.0/8'] } };
}

function policy(metadata: ObjectMeta, tier?: string): GlobalNetworkPolicy {
  const spec = tier === undefined ? {} : { tier };
  return { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkPolicy', metadata, spec };
}

/** The annotation of a stored object, parsed. */
function annotation(stored: Resource): unknown {
  return JSON.parse(stored.metadata.annotations?.[METADATA_ANNOTATION] ?? '');
}

describe('crd.projectcalico.org/v1 holds', () => {
  const given = set({
    name: 'a',
    uid: UID,
    resourceVersion: '7',
    creationTimestamp: '2026-01-02T03:04:05Z',
    labels: { role: 'web', 'projectcalico.org/tier': 't' },
    annotations: { note: 'x', 'operator.tigera.io/y': 'z' },
    finalizers: ['example.com/keep'],
  });
  const stored = crdForm.toStored(GlobalNetworkSet, given, 'a');

  test('the metadata of the object in an annotation, without what the server keeps itself', () => {
    expect(annotation(stored)).toEqual({
      creationTimestamp: '2026-01-02T03:04:05Z',
      labels: { role: 'web', 'projectcalico.org/tier': 't' },
      annotations: { note: 'x', 'operator.tigera.io/y': 'z' },
      finalizers: ['example.com/keep'],
    });
  });

  test("the server's part and Calico's own labels and annotations as they are, with the uid converted", () => {
    const { annotations, ...own } = stored.metadata;
    expect(own).toEqual({
      name: 'a',
      uid: convertUid(UID),
      resourceVersion: '7',
      labels: { 'projectcalico.org/tier': 't' },
    });
    expect(Object.keys(annotations ?? {}).sort()).toEqual(['operator.tigera.io/y', METADATA_ANNOTATION]);
    expect([stored.apiVersion, stored.kind]).toEqual(['crd.projectcalico.org/v1', 'GlobalNetworkSet']);
  });

  test('names of policies in the annotation, of no other kind', () => {
    expect(annotation(crdForm.toStored(GlobalNetworkPolicy, policy({ name: 'p' }), 'default.p'))).toEqual({
      name: 'p',
    });
    expect(annotation(crdForm.toStored(GlobalNetworkSet, set({ name: 'a' }), 'a'))).toEqual({});
  });

  test('owners of the v3 group as those of its own, and back', () => {
    const owner = { apiVersion: 'projectcalico.org/v3', kind: 'Tier', name: 't', uid: UID };
    const pod = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: UID };
    const owned = crdForm.toStored(GlobalNetworkSet, set({ name: 'a', ownerReferences: [owner, pod] }), 'a');
    expect(owned.metadata.ownerReferences).toEqual([
      { ...owner, apiVersion: 'crd.projectcalico.org/v1', uid: convertUid(UID) },
      pod,
    ]);
    expect(crdForm.fromStored(GlobalNetworkSet, owned).metadata.ownerReferences).toEqual([owner, pod]);
  });

  test('whether an affinity is deleted as text', () => {
    const affinity = BlockAffinity.example();
    for (const deleted of [true, false]) {
      const object = { ...affinity, spec: { ...affinity.spec, deleted } };
      const held = crdForm.toStored(BlockAffinity, object, object.metadata.name);
      expect<unknown>(held.spec.deleted).toBe(String(deleted));
      expect(crdForm.fromStored(BlockAffinity, held)).toEqual(object);
    }
  });

  test('the configuration of IPAM as another kind', () => {
    const kind = crdForm.storedKind(IPAMConfiguration);
    expect([kind.apiVersion, kind.kind, kind.plural]).toEqual([
      'crd.projectcalico.org/v1',
      'IPAMConfig',
      'ipamconfigs',
    ]);
    const stored = crdForm.toStored(IPAMConfiguration, IPAMConfiguration.example(), 'default');
    expect(stored.kind).toBe('IPAMConfig');
    expect(crdForm.fromStored(IPAMConfiguration, stored)).toEqual(IPAMConfiguration.example());
  });

  test('the example of every kind of the group, and gives it back', () => {
    for (const kind of kinds.filter(({ group }) => group === 'projectcalico.org')) {
      const example = kind.example();
      expect(crdForm.fromStored(kind, crdForm.toStored(kind, example, example.metadata.name))).toEqual(example);
    }
  });
});

describe('crd.projectcalico.org/v1 is read', () => {
  const resource = (metadata: ObjectMeta): GlobalNetworkSet => ({
    ...set(metadata),
    apiVersion: 'crd.projectcalico.org/v1',
  });
  const cases: { name: string; stored: ObjectMeta; want: ObjectMeta }[] = [
    {
      name: 'without an annotation as it is, but for the uid and who set which field',
      stored: { name: 'a', uid: UID, labels: { x: 'y' }, annotations: { n: '1' }, managedFields: [{}], generation: 2 },
      want: { name: 'a', uid: convertUid(UID), labels: { x: 'y' }, annotations: { n: '1' }, generation: 2 },
    },
    {
      name: 'with the times of the CustomResource where the annotation has none, as IPAM writes them',
      stored: {
        name: 'a',
        creationTimestamp: '2026-01-02T03:04:05Z',
        annotations: { [METADATA_ANNOTATION]: '{"creationTimestamp":null}' },
      },
      want: { name: 'a', creationTimestamp: '2026-01-02T03:04:05Z' },
    },
    {
      name: 'with the labels and annotations of both places, those of the annotation first',
      stored: {
        name: 'a',
        resourceVersion: '9',
        labels: { 'projectcalico.org/a': 'old', added: 'by-hand' },
        annotations: { note: 'by-hand', [METADATA_ANNOTATION]: '{"labels":{"projectcalico.org/a":"new"}}' },
      },
      want: {
        name: 'a',
        resourceVersion: '9',
        labels: { 'projectcalico.org/a': 'new', added: 'by-hand' },
        annotations: { note: 'by-hand' },
      },
    },
    {
      name: 'as if without when the annotation is broken',
      stored: { name: 'a', labels: { x: 'y' }, annotations: { [METADATA_ANNOTATION]: '{' } },
      want: { name: 'a', labels: { x: 'y' } },
    },
    {
      name: 'with the server in the right about name, version and deletion',
      stored: {
        name: 'a',
        resourceVersion: '9',
        deletionTimestamp: '2026-01-02T03:04:05Z',
        annotations: { [METADATA_ANNOTATION]: '{"name":"other","resourceVersion":"1","uid":"x"}' },
      },
      want: { name: 'a', resourceVersion: '9', deletionTimestamp: '2026-01-02T03:04:05Z' },
    },
  ];
  for (const { name, stored, want } of cases) {
    test(name, () => {
      expect(crdForm.fromStored(GlobalNetworkSet, resource(stored))).toEqual(set(want));
    });
  }
});

describe('policies are named', () => {
  const annotated = (name: string) => ({ [METADATA_ANNOTATION]: JSON.stringify({ name }) });
  const cases: { name: string; metadata: ObjectMeta; tier?: string; want: string }[] = [
    {
      name: 'as the annotation has it',
      metadata: { name: 'x', annotations: annotated('default.x') },
      want: 'default.x',
    },
    { name: 'without the old prefix in the default tier', metadata: { name: 'default.x' }, want: 'x' },
    { name: 'the same where the tier is written out', metadata: { name: 'default.x' }, tier: 'default', want: 'x' },
    { name: 'with what looks like it in other tiers', metadata: { name: 'default.x' }, tier: 'ops', want: 'default.x' },
    { name: 'with the prefix of other tiers', metadata: { name: 'ops.x' }, tier: 'ops', want: 'ops.x' },
    { name: 'as they are else', metadata: { name: 'x' }, want: 'x' },
    { name: 'by their prefix when there is nothing more', metadata: { name: 'default.' }, want: 'default.' },
  ];
  for (const { name, metadata, tier, want } of cases) {
    test(name, () => {
      expect(crdForm.fromStored(GlobalNetworkPolicy, policy(metadata, tier)).metadata.name).toBe(want);
      if (metadata.annotations === undefined) {
        expect(nativeForm.fromStored(GlobalNetworkPolicy, policy(metadata, tier)).metadata.name).toBe(want);
      }
    });
  }
});

test('what is stored in either group is read as it was', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 8 });
  const map = fc.dictionary(fc.oneof(text, fc.constant('projectcalico.org/k')), text, { minKeys: 1, maxKeys: 4 });
  const metadata = fc.record(
    { name: fc.constant('a'), labels: map, annotations: map, resourceVersion: fc.constant('7'), uid: fc.uuid() },
    { requiredKeys: ['name'] },
  );
  fc.assert(
    fc.property(metadata, given => {
      delete given.annotations?.[METADATA_ANNOTATION];
      if (Object.keys(given.annotations ?? {}).length === 0) delete given.annotations;
      for (const form of [crdForm, nativeForm]) {
        const object = set(structuredClone(given));
        expect(form.fromStored(GlobalNetworkSet, form.toStored(GlobalNetworkSet, object, 'a'))).toEqual(object);
      }
    }),
  );
});
