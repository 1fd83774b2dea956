import type { Static } from 'typebox';
import { fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import {
  flag,
  formatted,
  integer,
  integer64,
  lazy,
  list,
  mapOf,
  matching,
  nullable,
  object,
  text,
  textMap,
  time,
} from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { blockRules } from './ipam-rules.ts';

const attribute = lazy(() =>
  object(
    {},
    {
      handle_id: nullable(text({ description: 'Whose the addresses are, as a handle.' })),
      secondary: nullable(textMap({ description: 'Attributes of the active owner: pod, namespace, node, type …' })),
      alternateOwnerAttrs: nullable(textMap({ description: 'Attributes of the other owner during a live migration.' })),
      releasedAt: nullable(time({ description: 'When the address was released, while it cools down.' })),
    },
  ),
);

const spec = lazy(() =>
  object(
    {
      cidr: formatted('masked-cidr', { format: 'cidr', description: 'The addresses of the block.' }),
      allocations: list(nullable(integer({ minimum: 0 })), {
        description: 'One entry per address: null is free, else an index into attributes.',
      }),
      unallocated: list(integer({ minimum: 0 }), {
        description: 'Free ordinals: taken from the front, returned at the end.',
      }),
      attributes: list(attribute(), { description: 'Owners of addresses, each distinct owner once.' }),
      strictAffinity: flag({ default: false, description: 'No longer used.' }),
    },
    {
      affinity: nullable(
        matching('^(host|virtual):[a-zA-Z0-9\\.\\-_]+$', '"host:<node>" or "virtual:<name>"', {
          description: 'Who may take addresses of the block without borrowing.',
        }),
      ),
      affinityClaimTime: nullable(time({ description: 'When the affinity was claimed.' })),
      sequenceNumber: integer64({
        default: 0,
        minimum: 0,
        description: 'Grows by one with every update of the block.',
      }),
      sequenceNumberForAllocation: mapOf(integer64({ minimum: 0 }), {
        description: 'Ordinal to the sequence number of the block when that address was assigned.',
      }),
      deleted: flag({ description: 'Set just before the block is deleted.' }),
    },
  ),
);

export type IPAMBlockSpec = Static<ReturnType<typeof spec>>;
export type AllocationAttribute = IPAMBlockSpec['attributes'][number];
export type IPAMBlock = Resource<IPAMBlockSpec>;

/** A block of addresses and who has each of them. */
export const IPAMBlock: Kind<IPAMBlock> = defineKind<IPAMBlock>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'IPAMBlock',
  plural: 'ipamblocks',
  namespaced: false,
  description: 'A block of addresses and who has each of them. Written by the system.',
  spec,
  columns: [
    nameColumn(),
    fieldColumn('CIDR', 'string', '.spec.cidr', 'The block CIDR'),
    fieldColumn('Affinity', 'string', '.spec.affinity', 'The block affinity'),
    fieldColumn('ClaimTime', 'date', '.spec.affinityClaimTime', 'Time since the affinity was claimed'),
  ],
  rules: blockRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'IPAMBlock',
    metadata: { name: '10-244-0-0-30' },
    spec: {
      cidr: '10.244.0.0/30',
      affinity: 'host:node-1',
      affinityClaimTime: '2026-01-02T03:04:05Z',
      allocations: [null, 0, null, null],
      unallocated: [0, 2, 3],
      attributes: [
        { handle_id: 'k8s-pod-network.0123abcd', secondary: { namespace: 'default', node: 'node-1', pod: 'web-0' } },
      ],
      sequenceNumber: 1767323045000000001n,
      sequenceNumberForAllocation: { '1': 1767323045000000000n },
      strictAffinity: false,
      deleted: false,
    },
  }),
});
