import type { Static } from 'typebox';
import { fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { flag, integer, lazy, mapOf, object, text } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { handleRules } from './ipam-rules.ts';

const spec = lazy(() =>
  object(
    {
      handleID: text({ minLength: 1, description: 'The handle, in its own case.' }),
      block: mapOf(integer(), { description: 'CIDR of a block to the number of addresses held there.' }),
    },
    { deleted: flag({ description: 'Set just before the handle is deleted.' }) },
  ),
);

export type IPAMHandleSpec = Static<ReturnType<typeof spec>>;
export type IPAMHandle = Resource<IPAMHandleSpec>;

/** All addresses that one owner has, by block. */
export const IPAMHandle: Kind<IPAMHandle> = defineKind<IPAMHandle>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'IPAMHandle',
  plural: 'ipamhandles',
  namespaced: false,
  nameRule: 'network',
  description: 'The blocks in which one owner has addresses. Written by the system.',
  spec,
  columns: [nameColumn(), fieldColumn('ID', 'string', '.spec.handleID', 'The handle ID')],
  rules: handleRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'IPAMHandle',
    metadata: { name: 'k8s-pod-network.0123abcd' },
    spec: { handleID: 'k8s-pod-network.0123abcd', block: { '10.244.0.0/26': 1 } },
  }),
});
