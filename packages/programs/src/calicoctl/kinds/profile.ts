import {
  type CalicoctlTable,
  Namespace,
  namespaceToProfile,
  Profile,
  type Resource,
  ServiceAccount,
  serviceAccountToProfile,
  unknownFields,
} from '@calico/api';
import { DatastoreError } from '@calico/datastore';
import type { CtlKind } from './ctl-kind.ts';
import { readOnlyMethods } from './stored-kind.ts';

/** The profile that allows everything; it exists in every cluster and is stored in none. */
const DEFAULT_ALLOW: Profile = {
  apiVersion: Profile.apiVersion,
  kind: 'Profile',
  metadata: { name: 'projectcalico-default-allow' },
  spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
};

/** Profiles: `kns.<namespace>` and `ksa.<namespace>.<account>`, derived from namespaces and service accounts. */
export function profileKind(table: CalicoctlTable): CtlKind {
  return {
    kind: 'Profile',
    apiVersion: Profile.apiVersion,
    plural: Profile.plural,
    namespaced: false,
    aliases: [Profile.singular, Profile.plural, ...Profile.aliases],
    table,
    list: async client => {
      const [namespaces, accounts] = await Promise.all([client.list(Namespace), client.list(ServiceAccount)]);
      const items: Resource[] = [
        DEFAULT_ALLOW,
        ...namespaces.items.map(namespaceToProfile),
        ...accounts.items.map(serviceAccountToProfile),
      ];
      return { items, resourceVersion: namespaces.resourceVersion };
    },
    get: async (client, { name }) => {
      if (name === DEFAULT_ALLOW.metadata.name) return DEFAULT_ALLOW;
      const [origin, namespace = '', ...rest] = name.split('.');
      // A namespace has no dot in its name; an account may.
      const account = rest.join('.');
      if (origin === 'kns' && namespace !== '' && account === '')
        return namespaceToProfile(await client.get(Namespace, { name: namespace }));
      if (origin === 'ksa' && namespace !== '' && account !== '')
        return serviceAccountToProfile(await client.get(ServiceAccount, { name: account, namespace }));
      throw new DatastoreError({
        code: 'NotFound',
        op: 'get',
        resource: `Profile(${name})`,
        reason: 'profiles are named kns.<namespace> and ksa.<namespace>.<service account>',
      });
    },
    ...readOnlyMethods('Profile', 'profiles are made from namespaces and service accounts; change those'),
    unknownFields: value => unknownFields(Profile, value),
    faults: () => [],
  };
}
