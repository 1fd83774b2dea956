/** Our validation beside that of a real kube-apiserver which holds our definitions, and then those of Calico. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { type AnyResource, hasCrd, type Kind, kinds, printFieldError } from '@calico/api';
import fc from 'fast-check';
import { type Crd, createCrds, deleteCrds, OUR_CRDS, REFERENCE_CRDS, readCrds } from '../kubernetes/crds.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from '../kubernetes/server.ts';
import { BROKEN_RULES } from './broken-rules.ts';
import { factsOf } from './facts.ts';
import { type Fault, faultsOf, objectsOf } from './random-objects.ts';

const missing = missingForKubernetes();
const DEFINITIONS = [
  { whose: 'our definitions', folder: OUR_CRDS },
  { whose: 'the reference definitions', folder: REFERENCE_CRDS },
];

const GROUPS = ['projectcalico.org', 'policy.networking.k8s.io'];
/** Kinds of which an API server judges specs. IPAM's own objects are written by us alone. */
const JUDGED = kinds.filter(
  kind =>
    (hasCrd(kind, 'projectcalico.org/v3') || hasCrd(kind, 'policy.networking.k8s.io/v1alpha2')) &&
    !['BlockAffinity', 'IPAMBlock', 'IPAMHandle'].includes(kind.kind),
);
const SEED = 4;
const PER_KIND = 14;

function faults(kind: Kind, object: AnyResource): string[] {
  return kind.validate(kind.default(object)).map(printFieldError);
}

/** Different objects by chance that we find valid. */
function validObjects(kind: Kind): AnyResource[] {
  const made = fc.sample(objectsOf(kind), { numRuns: 600, seed: SEED });
  const valid = new Map<string, AnyResource>();
  for (const object of made) {
    if (valid.size < PER_KIND && faults(kind, object).length === 0) valid.set(JSON.stringify(object), object);
  }
  return [...valid.values()];
}

/** Objects with one fault that the reference can know of, each fault once. */
function brokenObjects(kind: Kind, facts: ReadonlyMap<string, string>): Fault[] {
  const found = new Map<string, Fault>();
  for (const fault of [kind.example(), ...validObjects(kind)].flatMap(object => faultsOf(kind, object))) {
    if (facts.has(fault.fact) && facts.get(fault.fact) !== 'false' && !found.has(fault.fact))
      found.set(fault.fact, fault);
  }
  return [...found.values()].slice(0, PER_KIND);
}

if (missing !== undefined) {
  test.skip(`our validation beside that of a kube-apiserver (${missing})`, () => {});
} else {
  describe('our validation beside that of a kube-apiserver', () => {
    let server: KubernetesServer;
    beforeAll(async () => {
      server = await startKubernetes();
    }, BUILD_MS);
    afterAll(() => server.stop());

    for (const { whose, folder } of DEFINITIONS) {
      const there = existsSync(folder);
      describe.skipIf(!there)(there ? `with ${whose}` : `with ${whose} (skipped: they are absent)`, () => {
        compare(
          () => server,
          GROUPS.flatMap(group => (there ? readCrds(folder, group) : [])),
        );
      });
    }
  });
}

/** The tests with a server that holds these definitions meanwhile. */
function compare(server: () => KubernetesServer, crds: readonly Crd[]): void {
  beforeAll(() => createCrds(server(), crds));
  afterAll(() => deleteCrds(server(), crds));

  /** What the API server says of an object: '' if it would take it. */
  async function refusal(kind: Kind, object: AnyResource): Promise<string> {
    const namespace = kind.namespaced ? 'namespaces/default/' : '';
    const path = `/apis/${kind.apiVersion}/${namespace}${kind.plural}?dryRun=All&fieldValidation=Strict`;
    const response = await server().request('POST', path, object);
    return response.ok ? '' : `${response.status} ${await response.text()}`;
  }

  const counted = { valid: 0, broken: 0 };

  test.each(JUDGED.map(kind => ({ name: kind.kind, kind })))('$name: what we take, it takes', async ({ kind }) => {
    for (const object of validObjects(kind)) {
      counted.valid++;
      expect({ spec: object.spec, refusal: await refusal(kind, object) }).toEqual({ spec: object.spec, refusal: '' });
    }
  });

  test.each(JUDGED.map(kind => ({ name: kind.kind, kind })))(
    '$name: of one fault, both refuse it',
    async ({ kind }) => {
      const crd = crds.find(({ spec }) => spec.names.kind === kind.kind);
      for (const { fact, object } of brokenObjects(kind, factsOf(crd))) {
        counted.broken++;
        const [ours, theirs] = [faults(kind, object).length > 0, (await refusal(kind, object)) !== ''];
        expect({ fact, spec: object.spec, ours, theirs }).toEqual({
          fact,
          spec: object.spec,
          ours: true,
          theirs: true,
        });
      }
    },
  );

  test.each(BROKEN_RULES.map(rule => ({ ...rule })))('$kind: both refuse $name', async ({ kind, object, spec }) => {
    const found = JUDGED.find(candidate => candidate.kind === kind);
    if (found === undefined) throw new Error(`no kind ${kind}`);
    const example = found.example();
    const resource = { ...example, metadata: { ...example.metadata, name: object ?? example.metadata.name }, spec };
    if (found.namespaced) resource.metadata.namespace = 'default';
    counted.broken++;
    expect(faults(found, resource)).not.toEqual([]);
    expect(await refusal(found, resource)).not.toBe('');
  });

  test('that were at least 200 objects of each sort', () => {
    expect(counted.valid).toBeGreaterThanOrEqual(200);
    expect(counted.broken).toBeGreaterThanOrEqual(200);
  });
}
