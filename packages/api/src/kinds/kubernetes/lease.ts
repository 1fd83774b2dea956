import type { Static } from 'typebox';
import { ageColumn, column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { integer, lazy, object, text, time } from '../../schema/build.ts';

const spec = lazy(() =>
  object(
    {},
    {
      holderIdentity: text({ description: 'Who holds it.' }),
      leaseDurationSeconds: integer({ format: 'int32', minimum: 1 }),
      acquireTime: time(),
      renewTime: time(),
      leaseTransitions: integer({ format: 'int32', minimum: 0 }),
      strategy: text(),
      preferredHolder: text(),
    },
  ),
);

export type LeaseSpec = Static<ReturnType<typeof spec>>;
export type Lease = Resource<LeaseSpec>;

/** Who leads, and until when. */
export const Lease: Kind<Lease> = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  description: 'Who leads, and until when.',
  spec,
  specRequired: false,
  columns: [nameColumn(), column('Holder', 'string', lease => lease.spec?.holderIdentity ?? ''), ageColumn()],
  example: () => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'controllers', namespace: 'kube-system' },
    spec: { holderIdentity: 'node-1', leaseDurationSeconds: 15, renewTime: '2026-01-02T03:04:05.000000Z' },
  }),
});
