import type { Static } from 'typebox';
import { nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { FieldErrors } from '../../field-error.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { formatted, lazy, object, text } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const workloadFields = () => ({
  hostname: text({ description: 'The node.' }),
  orchestratorID: text({ description: 'Who runs the workload, such as "k8s".' }),
  workloadID: text({ description: 'The workload, such as "<namespace>/<pod>".' }),
});
const endpoint = (description: string) =>
  object(
    {},
    { ...workloadFields(), endpointID: text({ description: 'The endpoint of the workload.' }) },
    { description },
  );

const spec = lazy(() =>
  object(
    {},
    {
      source: object(
        {},
        {
          workload: object({}, workloadFields(), { description: 'The workload that moves.' }),
          workloadEndpoint: endpoint('One endpoint of it.'),
        },
        { description: 'What moves: a workload or one endpoint.' },
      ),
      target: object(
        {},
        {
          selector: formatted('selector', { description: 'Endpoints with labels that match.' }),
          workloadEndpoint: endpoint('One endpoint.'),
        },
        { description: 'Where it moves: a selector or one endpoint.' },
      ),
    },
  ),
);

export type LiveMigrationSpec = Static<ReturnType<typeof spec>>;
export type LiveMigration = Resource<LiveMigrationSpec>;

function liveMigrationRules({ spec: { source, target } }: LiveMigration, errors: FieldErrors): void {
  oneOnly(source, 'spec.source', ['workload', 'workloadEndpoint'], errors);
  oneOnly(target, 'spec.target', ['selector', 'workloadEndpoint'], errors);
}

function oneOnly(value: object | undefined, path: string, fields: readonly string[], errors: FieldErrors): void {
  const given = Object.keys(value ?? {}).filter(field => fields.includes(field));
  if (given.length === 0) errors.required(path, `one of ${fields.join(', ')}`);
  if (given.length > 1) errors.invalid(path, value, `must have only one of ${fields.join(', ')}`);
}

/**
 * A virtual machine on its way from one node to another. Not served: it is derived, from migrations of KubeVirt on
 * Kubernetes and by other orchestrators elsewhere.
 */
export const LiveMigration: Kind<LiveMigration> = defineKind<LiveMigration>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'LiveMigration',
  plural: 'livemigrations',
  namespaced: true,
  served: false,
  description: 'A virtual machine on its way from one node to another.',
  spec,
  columns: [nameColumn()],
  rules: liveMigrationRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'LiveMigration',
    metadata: { name: 'vm-1', namespace: 'machines' },
    spec: {
      source: { workload: { hostname: 'node-1', orchestratorID: 'k8s', workloadID: 'machines/vm-1-a' } },
      target: { selector: "vm == 'vm-1'" },
    },
  }),
});
