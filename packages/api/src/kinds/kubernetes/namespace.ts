import type { Static } from 'typebox';
import { ageColumn, column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, listMap, mergedBy, object, oneOf, set, text, time } from '../../schema/build.ts';
import { setLabel } from '../../set-label.ts';

const spec = lazy(() => object({}, { finalizers: set(text(), { 'x-kubernetes-list-type': 'atomic' }) }));
const status = lazy(() =>
  object(
    {},
    {
      phase: oneOf(['Active', 'Terminating']),
      conditions: listMap(
        object({ type: text(), status: text() }, { reason: text(), message: text(), lastTransitionTime: time() }),
        ['type'],
        mergedBy('type'),
      ),
    },
  ),
);

export type NamespaceSpec = Static<ReturnType<typeof spec>>;
export type NamespaceStatus = Static<ReturnType<typeof status>>;
export type Namespace = Resource<NamespaceSpec, NamespaceStatus>;

/** The label that every namespace has, with its own name. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** A group of objects that policies select by its labels. */
export const Namespace: Kind<Namespace> = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  description: 'A group of objects with names of their own; policies select it by its labels.',
  nameRule: 'label',
  spec,
  specRequired: false,
  status,
  columns: [
    nameColumn(),
    column('Status', 'string', namespace => namespace.status?.phase ?? '', 'Active, or Terminating'),
    ageColumn(),
  ],
  fieldLabels: { 'status.phase': { value: namespace => namespace.status?.phase ?? '' } },
  defaults: namespace => {
    if (namespace.spec === undefined) namespace.spec = { finalizers: ['kubernetes'] };
    namespace.status ??= {};
    if (typeof namespace.status === 'object') namespace.status.phase ??= 'Active';
    const { metadata } = namespace;
    if (
      typeof metadata === 'object' &&
      metadata !== null &&
      typeof metadata.name === 'string' &&
      metadata.name !== ''
    ) {
      setLabel(metadata, NAMESPACE_NAME_LABEL, metadata.name);
    }
    return namespace;
  },
  example: () => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { team: 'checkout' } },
    spec: {},
    status: { phase: 'Active' },
  }),
});
