import type { Static } from 'typebox';
import { ageColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { formatted, lazy, object, set } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { networkSetRules, networkSetTable } from './network-set-rules.ts';

const spec = lazy(() =>
  object({}, { nets: set(formatted('cidr'), { description: 'CIDRs and addresses, of both families.' }) }),
);

export type NetworkSetSpec = Static<ReturnType<typeof spec>>;
export type NetworkSet = Resource<NetworkSetSpec>;

/** A list of networks of one namespace that selectors match by its labels. */
export const NetworkSet: Kind<NetworkSet> = defineKind<NetworkSet>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'NetworkSet',
  plural: 'networksets',

  aliases: ['netsets'],
  namespaced: true,
  description: 'A list of networks of one namespace that selectors of policies match by its labels.',
  spec,
  columns: [nameColumn(), ageColumn()],
  calicoctl: networkSetTable(),
  rules: networkSetRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'NetworkSet',
    metadata: { name: 'partners', namespace: 'shop', labels: { role: 'partner' } },
    spec: { nets: ['192.0.2.0/24', '2001:db8::/32'] },
  }),
});
