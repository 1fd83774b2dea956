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

export type GlobalNetworkSetSpec = Static<ReturnType<typeof spec>>;
export type GlobalNetworkSet = Resource<GlobalNetworkSetSpec>;

/** A list of networks of the whole cluster that selectors match by its labels. */
export const GlobalNetworkSet: Kind<GlobalNetworkSet> = defineKind<GlobalNetworkSet>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'GlobalNetworkSet',
  plural: 'globalnetworksets',
  shortNames: ['gns'],
  aliases: ['gnetsets'],
  namespaced: false,
  description: 'A list of networks of the whole cluster that selectors of policies match by its labels.',
  spec,
  columns: [nameColumn(), ageColumn()],
  calicoctl: networkSetTable(),
  rules: networkSetRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'GlobalNetworkSet',
    metadata: { name: 'partners', labels: { role: 'partner' } },
    spec: { nets: ['192.0.2.0/24', '2001:db8::/32'] },
  }),
});
