import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Schema } from './generate-objects.ts';
import type { KubernetesServer } from './server.ts';

const ROOT = join(import.meta.dir, '..', '..');
/** Our own, generated from the kinds. */
export const OUR_CRDS = join(ROOT, 'manifests', 'crds');
/** Those of Calico, when they lie beside the project: to compare with. */
export const REFERENCE_CRDS = join(ROOT, '..', 'shared', 'reference', 'crds');

/** The parts of a CustomResourceDefinition that are read here. */
export interface Crd {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: Schema };
      readonly subresources?: { readonly status?: object };
    }[];
  };
}

/** The folder to take CRDs from: our own, else Calico's; undefined where neither is. */
export function crdFolder(): string | undefined {
  return [OUR_CRDS, REFERENCE_CRDS].find(folder => existsSync(folder));
}

/** The CRDs of an API group in the YAML files of a folder. */
export function readCrds(folder: string, group: string): Crd[] {
  const ofGroup = new RegExp(`^  group: ["']?${group.replaceAll('.', '\\.')}["']?$`, 'm');
  return globSync('**/*.yaml', { cwd: folder })
    .sort()
    .flatMap(file => readFileSync(join(folder, file), 'utf8').split(/^---.*$/m))
    .filter(text => ofGroup.test(text))
    .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as Crd))
    .filter(({ kind, spec }) => kind === 'CustomResourceDefinition' && spec.group === group);
}

/** Makes the server have these CRDs, and waits until it serves them. */
export async function createCrds(server: KubernetesServer, crds: readonly Crd[]): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await Promise.all(
    crds.map(async crd => {
      const response = await server.request('POST', path, crd);
      if (!response.ok) throw new Error(`Cannot create ${crd.metadata.name}: ${await response.text()}`);
    }),
  );
  for (const { spec } of crds) {
    const version = spec.versions[0]?.name ?? '';
    await server.until(
      async () => (await server.request('GET', `/apis/${spec.group}/${version}/${spec.names.plural}`)).ok,
    );
  }
}

/** Takes every CRD of a group from the server, with all objects, and waits until its kinds are no longer served. */
export async function deleteCrds(server: KubernetesServer, crds: readonly Crd[]): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await Promise.all(crds.map(({ metadata }) => server.request('DELETE', `${path}/${metadata.name}`)));
  for (const { metadata } of crds) {
    await server.until(async () => (await server.request('GET', `${path}/${metadata.name}`)).status === 404);
  }
}
