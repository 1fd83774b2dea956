import type { Static } from 'typebox';
import { fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { flag, formatted, lazy, object, oneOf, text } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const spec = lazy(() =>
  object(
    {
      state: oneOf(['', 'confirmed', 'pending', 'pendingDeletion'], {
        description: 'How far the claim is; empty is an old spelling of confirmed.',
      }),
      node: text({ minLength: 1, description: 'Who has the affinity.' }),
      cidr: formatted('masked-cidr', { format: 'cidr', description: 'The addresses of the block.' }),
    },
    {
      type: oneOf(['host', 'virtual'], { default: 'host', description: 'What the owner is.' }),
      deleted: flag({ default: false, description: 'Set just before the affinity is deleted.' }),
    },
  ),
);

export type BlockAffinitySpec = Static<ReturnType<typeof spec>>;
export type BlockAffinity = Resource<BlockAffinitySpec>;

/** Which node a block belongs to. */
export const BlockAffinity: Kind<BlockAffinity> = defineKind<BlockAffinity>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'BlockAffinity',
  plural: 'blockaffinities',
  shortNames: ['affinity', 'affinities'],
  namespaced: false,
  description: 'Which node a block of addresses belongs to. Written by the system.',
  spec,
  columns: [
    nameColumn(),
    fieldColumn('CIDR', 'string', '.spec.cidr', 'The block CIDR'),
    fieldColumn('Node', 'string', '.spec.node', 'The node the block is affine to'),
    fieldColumn('Type', 'string', '.spec.type', 'The type of block affinity'),
  ],
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'BlockAffinity',
    metadata: { name: 'node-1-10-244-0-0-26' },
    spec: { state: 'confirmed', node: 'node-1', type: 'host', cidr: '10.244.0.0/26', deleted: false },
  }),
});
