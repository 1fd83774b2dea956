/** The rules that definitions carry in CEL, run by the embedded API server's engine, beside our own validation. */
import { beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { type AnyResource, hasCrd, type Kind, kinds, printFieldError } from '@calico/api';
import fc from 'fast-check';
import { loadCel } from '../../packages/apiserver/src/custom-resources/cel/load.ts';
import { compileRules } from '../../packages/apiserver/src/custom-resources/cel/rules.ts';
import { customKinds } from '../../packages/apiserver/src/custom-resources/custom-kind.ts';
import { type Crd, OUR_CRDS, REFERENCE_CRDS, readCrds } from '../kubernetes/crds.ts';
import { BROKEN_RULES } from './broken-rules.ts';
import { objectsOf } from './random-objects.ts';

const GROUPS = ['projectcalico.org', 'policy.networking.k8s.io'];
const JUDGED = kinds.filter(
  kind => hasCrd(kind, 'projectcalico.org/v3') || hasCrd(kind, 'policy.networking.k8s.io/v1alpha2'),
);
const PER_KIND = 40;

beforeAll(loadCel);

for (const { whose, folder } of [
  { whose: 'our definitions', folder: OUR_CRDS },
  { whose: 'the reference definitions', folder: REFERENCE_CRDS },
]) {
  const there = existsSync(folder);
  describe.skipIf(!there)(there ? `the rules of ${whose}` : `the rules of ${whose} (skipped: they are absent)`, () => {
    const crds = GROUPS.flatMap(group => (there ? readCrds(folder, group) : []));
    const served = new Map<string, Kind>();
    beforeAll(() => {
      for (const crd of crds) {
        const [kind] = customKinds(crd as unknown as AnyResource);
        if (kind !== undefined) served.set(kind.kind, kind);
      }
    });
    const faultsBy = (kind: Kind, object: AnyResource): string[] => {
      const custom = served.get(kind.kind);
      if (custom === undefined) throw new Error(`no definition of ${kind.kind}`);
      return custom.validate(custom.default(object)).map(printFieldError);
    };

    test('compile, all of them', () => {
      for (const { metadata, spec } of crds) {
        const { faults, lacking } = compileRules(schemaOf(spec), metadata.name);
        expect({ faults: faults.map(printFieldError), lacking }).toEqual({ faults: [], lacking: [] });
      }
    });

    test.each(JUDGED.map(kind => ({ name: kind.kind, kind })))('take every $name that we take', ({ kind }) => {
      const valid = fc
        .sample(objectsOf(kind), { numRuns: 2 * PER_KIND, seed: 7 })
        .map(object => kind.default(object))
        .filter(object => kind.validate(object).length === 0);
      for (const object of [kind.default(kind.example()), ...valid.slice(0, PER_KIND)]) {
        expect({ spec: object.spec, faults: faultsBy(kind, object) }).toEqual({ spec: object.spec, faults: [] });
      }
    });

    test.each(BROKEN_RULES.map(rule => ({ ...rule })))('refuse $kind: $name', ({ kind, object, spec }) => {
      const found = JUDGED.find(candidate => candidate.kind === kind);
      if (found === undefined) throw new Error(`no kind ${kind}`);
      const example = found.example();
      const resource = { ...example, metadata: { ...example.metadata, name: object ?? example.metadata.name }, spec };
      expect(faultsBy(found, resource)).not.toEqual([]);
    });
  });
}

function schemaOf(spec: Crd['spec']): Record<string, unknown> {
  return { ...spec.versions[0]?.schema.openAPIV3Schema };
}
