import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { namespaceOf } from './cluster.ts';
import type { PodSpec, RawResource } from './resources.ts';

/** apps/v1 Deployment: the fields that say which pods there are. */
interface DeploymentSpec {
  readonly replicas?: number;
  readonly template: {
    readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
    readonly spec: PodSpec;
  };
}

/** Every resource in the YAML files of a folder, files by name, documents in order. */
export function readManifests(folder: string): RawResource[] {
  return readdirSync(folder)
    .filter(name => /\.ya?ml$/.test(name))
    .sort()
    .flatMap(name => parseAllDocuments(readFileSync(join(folder, name), 'utf8')))
    .map(document => document.toJS() as RawResource | null)
    .filter(resource => resource !== null);
}

/** A deployment's pods, named `<deployment>-<n>`, on node-1 and without addresses. */
export function podsOf(deployment: RawResource): RawResource[] {
  const { replicas = 1, template } = deployment.spec as DeploymentSpec;
  return Array.from({ length: replicas }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${deployment.metadata.name}-${index}`,
      namespace: namespaceOf(deployment),
      labels: template.metadata?.labels ?? {},
    },
    spec: { ...template.spec, nodeName: 'node-1' },
  }));
}

/** The TCP ports that a deployment's containers declare. */
export function portsOf(deployment: RawResource): number[] {
  const { template } = deployment.spec as DeploymentSpec;
  return (template.spec.containers ?? []).flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
}
