import type { Static } from 'typebox';
import { ageColumn, column, nameColumn, wide } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { integer, lazy, listMap, mergedBy, object, oneOf, text, time } from '../../schema/build.ts';
import { labelSelector, printLabelSelector } from './label-selector.ts';
import { podTemplate } from './pod-template.ts';
import { defaultTemplate, workloadRules } from './workload-rules.ts';

const count = () => integer({ format: 'int32', minimum: 0 });

const spec = lazy(() =>
  object(
    { selector: labelSelector() },
    {
      replicas: integer({ format: 'int32', minimum: 0, default: 1, description: 'How many pods.' }),
      minReadySeconds: count(),
      template: podTemplate(),
    },
  ),
);

const status = lazy(() =>
  object(
    {},
    {
      observedGeneration: integer({ format: 'int64' }),
      replicas: count(),
      fullyLabeledReplicas: count(),
      readyReplicas: count(),
      availableReplicas: count(),
      terminatingReplicas: count(),
      conditions: listMap(
        object(
          { type: text(), status: oneOf(['True', 'False', 'Unknown']) },
          { reason: text(), message: text(), lastTransitionTime: time() },
        ),
        ['type'],
        mergedBy('type'),
      ),
    },
  ),
);

export type ReplicaSetSpec = Static<ReturnType<typeof spec>>;
export type ReplicaSetStatus = Static<ReturnType<typeof status>>;
export type ReplicaSet = Resource<ReplicaSetSpec, ReplicaSetStatus>;

/** A number of pods of exactly one make. */
export const ReplicaSet: Kind<ReplicaSet> = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  description: 'A number of pods of exactly one make.',
  spec,
  status,
  columns: [
    nameColumn(),
    column('Desired', 'string', r => String(r.spec.replicas ?? 1)),
    column('Current', 'string', r => String(r.status?.replicas ?? 0)),
    column('Ready', 'string', r => String(r.status?.readyReplicas ?? 0)),
    ageColumn(),
    wide(column('Containers', 'string', r => (r.spec.template?.spec?.containers ?? []).map(c => c.name).join(','))),
    wide(column('Images', 'string', r => (r.spec.template?.spec?.containers ?? []).map(c => c.image ?? '').join(','))),
    wide(column('Selector', 'string', r => printLabelSelector(r.spec.selector))),
  ],
  fieldLabels: { 'status.replicas': { value: r => String(r.status?.replicas ?? 0) } },
  defaults: replicaSet => {
    defaultTemplate(replicaSet.spec);
    return replicaSet;
  },
  rules: (replicaSet, errors, old) => workloadRules(replicaSet.spec, errors, old?.spec),
  example: () => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web-5d9c7', namespace: 'shop' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'server', image: 'web:1' }] },
      },
    },
  }),
});
