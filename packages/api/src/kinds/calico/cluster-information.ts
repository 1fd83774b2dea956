import type { Static } from 'typebox';
import { fieldColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { flag, lazy, object, text } from '../../schema/build.ts';
import { clusterInformationRules } from './cluster-rules.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const spec = lazy(() =>
  object(
    {},
    {
      clusterGUID: text({ description: 'Unique to the cluster: 32 hexadecimal digits.' }),
      clusterType: text({ description: 'What the cluster is made of, words with commas between.' }),
      calicoVersion: text({ description: 'The version that the cluster runs.' }),
      datastoreReady: flag({ description: 'False locks the datastore: nothing is to be changed.' }),
      variant: text({ description: 'The product.' }),
    },
  ),
);

export type ClusterInformationSpec = Static<ReturnType<typeof spec>>;
export type ClusterInformation = Resource<ClusterInformationSpec>;

const narrow = [
  heading<ClusterInformation>('NAME', info => info.metadata.name),
  heading<ClusterInformation>('CLUSTERGUID', info => info.spec.clusterGUID ?? ''),
  heading<ClusterInformation>('CLUSTERTYPE', info => info.spec.clusterType ?? ''),
  heading<ClusterInformation>('CALICOVERSION', info => info.spec.calicoVersion ?? ''),
  heading<ClusterInformation>('DATASTOREREADY', info => String(info.spec.datastoreReady ?? false)),
];

/** What the cluster is; the only object is `default`. */
export const ClusterInformation: Kind<ClusterInformation> = defineKind<ClusterInformation>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'ClusterInformation',
  plural: 'clusterinformations',
  shortNames: ['clusterinfo', 'clusterinfos'],
  aliases: ['clusterinfo', 'clusterinfos'],
  namespaced: false,
  description: 'What the cluster is. The only object is "default"; the system writes it.',
  spec,
  columns: [
    nameColumn(),
    fieldColumn('Version', 'string', '.spec.calicoVersion', 'The version that the cluster runs'),
    fieldColumn('Ready', 'boolean', '.spec.datastoreReady', 'Whether the datastore may be changed'),
    fieldColumn('Types', 'string', '.spec.clusterType', 'What the cluster is made of'),
  ],
  calicoctl: { narrow, wide: narrow },
  rules: clusterInformationRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec: {
      clusterGUID: '0123456789abcdef0123456789abcdef',
      clusterType: 'typescript,kdd',
      calicoVersion: 'v3.33.0',
      datastoreReady: true,
      variant: 'Calico',
    },
  }),
});
