import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { type Kind, kinds, printFieldError, type Resource } from '@calico/api';
import { seededRandom } from '@calico/reconcile';
import { type Crd, createCrds, deleteCrds, OUR_CRDS, REFERENCE_CRDS, readCrds } from './crds.ts';
import { allowedMutation, type Mutation, refusedMutation, type Schema } from './generate-objects.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from './server.ts';

const GROUP = 'projectcalico.org';
/** Objects of each sort and kind. */
const EACH = 30;

/** Where our answer is known to differ from that of a server that only has the CRDs, by the fault that one of us finds. */
const DIFFERENCES: { readonly kind: RegExp; readonly fault: RegExp; readonly reason: string }[] = [
  {
    kind: /./,
    fault: /must be a string/,
    reason: 'a CRD server takes a list for a text that has a format',
  },
  {
    kind: /NetworkPolicy$/,
    fault: /as ipVersion of the rule says/,
    reason: "Calico's clients compare nets with ipVersion; the CRD has no such rule",
  },
  {
    kind: /^Staged/,
    fault: /must be left out when stagedAction is "Delete"/,
    reason: "Calico's clients refuse contents of what is to be deleted; the CRD has no such rule",
  },
  {
    kind: /^IPAMConfiguration$/,
    fault: /must be true unless strictAffinity is true/,
    reason: "Calico's clients compare the two fields; the CRD has no such rule",
  },
  {
    kind: /^BGPConfiguration$/,
    fault: /or a name in spec.communities/,
    reason: "Calico's clients look for the community that an advertisement names; the CRD has no such rule",
  },
  {
    kind: /^CalicoNodeStatus$/,
    fault: /Required value: (the name of a node|at least one of Agent, BGP, Routes)/,
    reason: "Calico's clients require what the CRD leaves optional",
  },
  {
    kind: /^StagedKubernetesNetworkPolicy$/,
    fault: /Required value: podSelector, namespaceSelector or ipBlock/,
    reason: 'Kubernetes requires one of them in its own policies; the CRD has no such rule',
  },
  {
    kind: /^KubeControllersConfiguration$/,
    fault: /Required value: at least one CIDR, or an interfacePattern/,
    reason: 'a template without both selects no interface; the CRD has no such rule',
  },
  {
    kind: /^StagedKubernetesNetworkPolicy$/,
    fault: /endPort: Invalid value: \d+: must be at least port/,
    reason: 'Kubernetes compares the two in its own policies; the CRD has no such rule',
  },
  {
    kind: /NetworkPolicy$/,
    fault: /a port number needs protocol TCP, UDP or SCTP/,
    reason: "Calico's clients ask for a protocol beside a port; the CRD has no such rule",
  },
  {
    kind: /^IPAMBlock$/,
    fault: /spec\.strictAffinity: Required value/,
    reason: 'we fill in what is no longer used, before it is sent; the CRD requires it',
  },
];

/** Both answers to one object. */
interface Answers {
  readonly kind: string;
  readonly change: string;
  /** Our faults; empty when we take it. */
  readonly ours: string;
  /** The server's message; empty when it takes it. */
  readonly theirs: string;
}

/** A valid object, in a namespace that there is, and as the server is sent it. */
function baseOf(kind: Kind): { [key: string]: unknown } {
  const { metadata, ...rest } = kind.example();
  return {
    ...structuredClone(rest),
    metadata: { ...metadata, ...(kind.namespaced ? { namespace: 'default' } : {}) },
  };
}

async function ask(server: KubernetesServer, kind: Kind, { change, object }: Mutation): Promise<Answers> {
  const scope = kind.namespaced ? 'namespaces/default/' : '';
  const path = `/apis/${GROUP}/v3/${scope}${kind.plural}?dryRun=All`;
  const plain: unknown = JSON.parse(
    JSON.stringify(object, (_, value) => (typeof value === 'bigint' ? Number(value) : value)),
  );
  const answer = await server.request('POST', path, Object(plain));
  const faults = kind.validate(kind.default(object as unknown as Resource));
  return {
    kind: kind.kind,
    change,
    ours: faults.map(printFieldError).join('; '),
    theirs: answer.ok ? '' : await answer.text(),
  };
}

/** The answers to objects of a kind: the example, allowed changes of it, refused ones. */
async function compare(server: KubernetesServer, crd: Crd): Promise<Answers[]> {
  const kind = kinds.find(({ group, plural }) => group === GROUP && plural === crd.spec.names.plural);
  if (kind === undefined) return [];
  const spec = crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.spec ?? {};
  const schema: Schema = { type: 'object', properties: { spec } };
  const base = baseOf(kind);
  const random = seededRandom(1);
  const mutations: Mutation[] = [{ path: '', change: 'nothing', object: base }];
  for (let i = 0; i < EACH; i++) {
    for (const mutate of [allowedMutation, refusedMutation]) {
      const mutation = mutate(schema, base, random);
      if (mutation !== undefined) mutations.push(mutation);
    }
  }
  const answers: Answers[] = [];
  for (const mutation of mutations) answers.push(await ask(server, kind, mutation));
  return answers;
}

function validation(): void {
  let server: KubernetesServer;
  beforeAll(async () => {
    server = await startKubernetes();
  }, BUILD_MS);
  afterAll(() => server.stop());

  for (const [whose, folder] of Object.entries({ "Calico's": REFERENCE_CRDS, 'our own': OUR_CRDS })) {
    if (!existsSync(folder)) {
      test.skip(`objects are judged alike by us and by a server with ${whose} CRDs (they are not here)`, () => {});
      continue;
    }
    test(`objects are judged alike by us and by a server with ${whose} CRDs`, async () => {
      const crds = readCrds(folder, GROUP);
      await createCrds(server, crds);
      const answers: Answers[] = [];
      for (const crd of crds) answers.push(...(await compare(server, crd)));
      await deleteCrds(server, crds);
      const differing = answers.filter(({ ours, theirs }) => (ours === '') !== (theirs === ''));
      const unexplained = differing.filter(
        ({ kind, ours, theirs }) =>
          !DIFFERENCES.some(known => known.kind.test(kind) && known.fault.test(ours + theirs)),
      );
      expect(unexplained).toEqual([]);
      expect(answers.filter(({ ours, theirs }) => ours === '' && theirs === '').length).toBeGreaterThan(200);
      expect(answers.filter(({ ours, theirs }) => ours !== '' && theirs !== '').length).toBeGreaterThan(200);
    });
  }
}

const missing = missingForKubernetes();
if (missing !== undefined) test.skip(`validation beside a real kube-apiserver (${missing})`, () => {});
else describe('with a real kube-apiserver', validation);
