import type { Static } from 'typebox';
import { ageColumn, fieldColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { flag, formatted, integer, lazy, object, oneOf, set } from '../../schema/build.ts';
import { conditions } from '../condition.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { defaultPool, poolRules } from './ip-pool-rules.ts';
import { poolValidations, unchanged } from './ip-pool-validations.ts';

const spec = lazy(() =>
  object(
    {
      cidr: formatted('masked-cidr', {
        format: 'cidr',
        maxLength: 48,
        description: 'The addresses of the pool. Host bits must be zero; it cannot be changed later.',
        ...unchanged('cidr'),
      }),
    },
    {
      vxlanMode: oneOf(['Never', 'Always', 'CrossSubnet'], {
        description: 'When traffic to this pool goes over VXLAN.',
      }),
      ipipMode: oneOf(['Never', 'Always', 'CrossSubnet'], {
        description: 'When traffic to this pool goes over IP in IP.',
      }),
      natOutgoing: flag({ description: 'Whether traffic leaving the pools is masqueraded.' }),
      disabled: flag({ description: 'Whether new addresses are refused; those in use stay.' }),
      disableBGPExport: flag({ description: 'Whether BGP keeps the routes of this pool to itself.' }),
      blockSize: integer({
        minimum: 0,
        maximum: 128,
        description: 'Prefix length of the blocks that nodes take: 20 to 32 (26), for IPv6 116 to 128 (122).',
        ...unchanged('blockSize'),
      }),
      nodeSelector: formatted('local-selector', {
        maxLength: 1024,
        default: 'all()',
        description: 'The nodes that may take addresses from the pool.',
      }),
      namespaceSelector: formatted('local-selector', {
        maxLength: 1024,
        description: 'The namespaces whose pods may take addresses from the pool.',
      }),
      allowedUses: set(oneOf(['Workload', 'Tunnel', 'LoadBalancer']), {
        maxItems: 10,
        description: 'What addresses of the pool are for: Workload and Tunnel if not given.',
      }),
      assignmentMode: oneOf(['Automatic', 'Manual'], {
        default: 'Automatic',
        description: 'Manual pools serve only those who ask for them by name.',
      }),
    },
    poolValidations(),
  ),
);
const status = lazy(() => object({}, { conditions: conditions() }));

export type IPPoolSpec = Static<ReturnType<typeof spec>>;
export type IPPoolStatus = Static<ReturnType<typeof status>>;
export type IPPool = Resource<IPPoolSpec, IPPoolStatus>;

/** A range of addresses that blocks are cut from. */
export const IPPool: Kind<IPPool> = defineKind<IPPool>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'IPPool',
  plural: 'ippools',
  aliases: ['ipp', 'pool'],
  namespaced: false,
  description: 'A range of addresses that nodes take blocks from, and how its traffic travels.',
  spec,
  status,
  columns: [
    nameColumn(),
    fieldColumn('CIDR', 'string', '.spec.cidr', 'The pool CIDR'),
    fieldColumn('VXLAN', 'string', '.spec.vxlanMode', 'The VXLAN mode for this pool'),
    fieldColumn('IPIP', 'string', '.spec.ipipMode', 'The IPIP mode for this pool'),
    fieldColumn('NAT', 'boolean', '.spec.natOutgoing', 'Whether outgoing NAT is enabled for this pool'),
    fieldColumn(
      'Allocatable',
      'string',
      ".status.conditions[?(@.type=='Allocatable')].status",
      'Whether this pool gives out addresses',
    ),
    ageColumn(),
  ],
  calicoctl: {
    narrow: [
      heading('NAME', pool => pool.metadata.name),
      heading('CIDR', pool => pool.spec.cidr),
      heading('SELECTOR', pool => pool.spec.nodeSelector ?? ''),
    ],
    wide: [
      heading('NAME', pool => pool.metadata.name),
      heading('CIDR', pool => pool.spec.cidr),
      heading('NAT', pool => String(pool.spec.natOutgoing ?? false)),
      heading('IPIPMODE', pool => pool.spec.ipipMode ?? 'Never'),
      heading('VXLANMODE', pool => pool.spec.vxlanMode ?? 'Never'),
      heading('DISABLED', pool => String(pool.spec.disabled ?? false)),
      heading('DISABLEBGPEXPORT', pool => String(pool.spec.disableBGPExport ?? false)),
      heading('SELECTOR', pool => pool.spec.nodeSelector ?? ''),
      heading('ASSIGNMENTMODE', pool => pool.spec.assignmentMode ?? 'Automatic'),
    ],
  },
  defaults: defaultPool,
  rules: poolRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'IPPool',
    metadata: { name: 'default-ipv4-ippool' },
    spec: { cidr: '10.244.0.0/16', vxlanMode: 'Always', natOutgoing: true },
  }),
});
