import type { Static } from 'typebox';
import { heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, object, textMap } from '../../schema/build.ts';
import { profileRules } from './endpoint-rules.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { rules } from './rule.ts';

const spec = lazy(() =>
  object(
    {},
    {
      ingress: rules('Rules for packets that come to the endpoint.'),
      egress: rules('Rules for packets that leave the endpoint.'),
      labelsToApply: textMap({ description: 'Labels that its endpoints inherit; their own win.' }),
    },
  ),
);

export type ProfileSpec = Static<ReturnType<typeof spec>>;
export type Profile = Resource<ProfileSpec>;

const name = heading<Profile>('NAME', profile => profile.metadata.name);

/**
 * Rules and labels for all endpoints that name it. Not served: namespaces and service accounts are its source, and there
 * is no CustomResourceDefinition of it; only etcd stores profiles of their own.
 */
export const Profile: Kind<Profile> = defineKind<Profile>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'Profile',
  plural: 'profiles',
  aliases: ['pro', 'pros'],
  namespaced: false,
  nameRule: 'network',
  served: false,
  description: 'Rules and labels for all endpoints that name it.',
  spec,
  columns: [nameColumn()],
  calicoctl: {
    narrow: [name],
    wide: [
      name,
      heading('LABELS', profile =>
        Object.entries(profile.spec.labelsToApply ?? {})
          .map(([key, value]) => `${key}:${value}`)
          .sort()
          .join(','),
      ),
    ],
  },
  rules: profileRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'Profile',
    metadata: { name: 'kns.shop' },
    spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }], labelsToApply: { 'pcns.team': 'checkout' } },
  }),
});

/** The profile that allows everything; it exists in every cluster and is stored in none. */
export const defaultAllowProfile: Profile = {
  apiVersion: CALICO_API_VERSION,
  kind: 'Profile',
  metadata: { name: 'projectcalico-default-allow' },
  spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
};
