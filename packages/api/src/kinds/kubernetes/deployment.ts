import type { Static } from 'typebox';
import { ageColumn, column, nameColumn, wide } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import {
  flag,
  int32OrString,
  integer,
  lazy,
  listMap,
  mergedBy,
  object,
  oneOf,
  text,
  time,
} from '../../schema/build.ts';
import { labelSelector, printLabelSelector } from './label-selector.ts';
import { podTemplate } from './pod-template.ts';
import { defaultTemplate, workloadRules } from './workload-rules.ts';

const count = () => integer({ format: 'int32', minimum: 0 });

const spec = lazy(() =>
  object(
    { selector: labelSelector(), template: podTemplate() },
    {
      replicas: integer({ format: 'int32', minimum: 0, default: 1, description: 'How many pods.' }),
      strategy: object(
        {},
        {
          type: oneOf(['RollingUpdate', 'Recreate'], { default: 'RollingUpdate' }),
          rollingUpdate: object({}, { maxUnavailable: int32OrString(), maxSurge: int32OrString() }),
        },
        { default: {}, 'x-kubernetes-patch-strategy': 'retainKeys' },
      ),
      minReadySeconds: count(),
      revisionHistoryLimit: integer({ format: 'int32', minimum: 0, default: 10 }),
      paused: flag(),
      progressDeadlineSeconds: integer({ format: 'int32', minimum: 0, default: 600 }),
    },
  ),
);

const status = lazy(() =>
  object(
    {},
    {
      observedGeneration: integer({ format: 'int64' }),
      replicas: count(),
      updatedReplicas: count(),
      readyReplicas: count(),
      availableReplicas: count(),
      unavailableReplicas: count(),
      terminatingReplicas: count(),
      collisionCount: count(),
      conditions: listMap(
        object(
          { type: text(), status: oneOf(['True', 'False', 'Unknown']) },
          { reason: text(), message: text(), lastUpdateTime: time(), lastTransitionTime: time() },
        ),
        ['type'],
        mergedBy('type'),
      ),
    },
  ),
);

export type DeploymentSpec = Static<ReturnType<typeof spec>>;
export type DeploymentStatus = Static<ReturnType<typeof status>>;
export type Deployment = Resource<DeploymentSpec, DeploymentStatus>;

/** A number of pods of the same make, replaced as it changes. */
export const Deployment: Kind<Deployment> = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  description: 'A number of pods of the same make, replaced as the make changes.',
  spec,
  status,
  columns: [
    nameColumn(),
    column(
      'Ready',
      'string',
      d => `${d.status?.readyReplicas ?? 0}/${d.spec.replicas ?? 1}`,
      'Pods that are ready, of those wanted',
    ),
    column('Up-to-date', 'string', d => String(d.status?.updatedReplicas ?? 0), 'Pods of the present make'),
    column('Available', 'string', d => String(d.status?.availableReplicas ?? 0), 'Pods that are ready long enough'),
    ageColumn(),
    wide(column('Containers', 'string', d => (d.spec.template.spec?.containers ?? []).map(c => c.name).join(','))),
    wide(column('Images', 'string', d => (d.spec.template.spec?.containers ?? []).map(c => c.image ?? '').join(','))),
    wide(column('Selector', 'string', d => printLabelSelector(d.spec.selector))),
  ],
  defaults: deployment => {
    defaultTemplate(deployment.spec);
    const strategy = deployment.spec?.strategy;
    if (strategy?.type === 'RollingUpdate') {
      strategy.rollingUpdate = { maxUnavailable: '25%', maxSurge: '25%', ...strategy.rollingUpdate };
    }
    return deployment;
  },
  rules: (deployment, errors, old) => {
    workloadRules(deployment.spec, errors, old?.spec);
    const { strategy } = deployment.spec;
    if (strategy?.type === 'Recreate' && strategy.rollingUpdate !== undefined) {
      errors.forbidden(
        'spec.strategy.rollingUpdate',
        strategy.rollingUpdate,
        'not allowed when strategy type is "Recreate"',
      );
    }
    for (const field of ['maxUnavailable', 'maxSurge'] as const) {
      const value = strategy?.rollingUpdate?.[field];
      if (value === undefined || (typeof value === 'number' ? value >= 0 : /^\d+%$/.test(value))) continue;
      errors.invalid(
        `spec.strategy.rollingUpdate.${field}`,
        value,
        'must be a number from 0 or a percentage such as "25%"',
      );
    }
  },
  example: () => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'server', image: 'web:1', ports: [{ containerPort: 8080 }] }] },
      },
    },
  }),
});
