import type { Static } from 'typebox';
import { fieldColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { flag, integer, lazy, object, oneOf } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { ipamConfigurationRules } from './ipam-rules.ts';

const spec = lazy(() =>
  object(
    {
      strictAffinity: flag({ default: false, description: 'Whether nodes never borrow addresses of each other.' }),
      autoAllocateBlocks: flag({ default: true, description: 'Whether nodes take blocks as they need them.' }),
    },
    {
      maxBlocksPerHost: integer({
        format: 'int32',
        default: 0,
        minimum: 0,
        maximum: 1000000,
        description: 'The most blocks one node may have; 0 is no limit.',
      }),
      kubeVirtVMAddressPersistence: oneOf(['Enabled', 'Disabled'], {
        description: 'Whether a virtual machine keeps its addresses over restarts; Enabled if not given.',
      }),
      ipCooldownSeconds: integer({
        format: 'int32',
        minimum: 0,
        maximum: 1200,
        description: 'How long a released address rests before it is given out again.',
      }),
    },
  ),
);

export type IPAMConfigurationSpec = Static<ReturnType<typeof spec>>;
export type IPAMConfiguration = Resource<IPAMConfigurationSpec>;

/** How addresses are given out in the whole cluster; the only object is `default`. */
export const IPAMConfiguration: Kind<IPAMConfiguration> = defineKind<IPAMConfiguration>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'IPAMConfiguration',
  plural: 'ipamconfigurations',
  shortNames: ['ipamconfig', 'ipamconfigs'],
  aliases: ['ipamconfig', 'ipamconfigs'],
  namespaced: false,
  description: 'How addresses are given out in the whole cluster. The only object is "default".',
  spec,
  columns: [
    nameColumn(),
    fieldColumn('StrictAffinity', 'boolean', '.spec.strictAffinity', 'Whether nodes never borrow addresses'),
    fieldColumn('MaxBlocksPerHost', 'integer', '.spec.maxBlocksPerHost', 'The most blocks one node may have'),
    fieldColumn('AutoAllocateBlocks', 'boolean', '.spec.autoAllocateBlocks', 'Whether nodes take blocks'),
  ],
  calicoctl: {
    narrow: [
      heading('NAME', config => config.metadata.name),
      heading('STRICTAFFINITY', config => String(config.spec.strictAffinity)),
      heading('AUTOALLOCATEBLOCKS', config => String(config.spec.autoAllocateBlocks)),
    ],
    wide: [
      heading('NAME', config => config.metadata.name),
      heading('STRICTAFFINITY', config => String(config.spec.strictAffinity)),
      heading('AUTOALLOCATEBLOCKS', config => String(config.spec.autoAllocateBlocks)),
      heading('MAXBLOCKSPERHOST', config => String(config.spec.maxBlocksPerHost ?? 0)),
    ],
  },
  rules: ipamConfigurationRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'IPAMConfiguration',
    metadata: { name: 'default' },
    spec: { strictAffinity: false, autoAllocateBlocks: true, maxBlocksPerHost: 0 },
  }),
});
