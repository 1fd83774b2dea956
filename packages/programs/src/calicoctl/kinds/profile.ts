import {
  type CalicoctlTable,
  defaultAllowProfile,
  type Kind,
  Namespace,
  namespaceToProfile,
  Profile,
  type Resource,
  ServiceAccount,
  serviceAccountToProfile,
} from '@calico/api';
import { DatastoreError, type ObjectKey } from '@calico/datastore';
import { Unsupported } from '../failure.ts';
import { byDatastore, type CtlKind, type CtlMethods, printId } from './ctl-kind.ts';
import { describedKind, readOnlyMethods, storedMethods } from './stored-kind.ts';

/** Profiles of a Kubernetes cluster: `kns.<namespace>` and `ksa.<namespace>.<account>`, of namespaces and service accounts. */
const derived: CtlMethods = {
  list: async ({ client }) => {
    const [namespaces, accounts] = await Promise.all([client.list(Namespace), client.list(ServiceAccount)]);
    const items: Resource[] = [
      defaultAllowProfile,
      ...namespaces.items.map(namespaceToProfile),
      ...accounts.items.map(serviceAccountToProfile),
    ];
    return { items, resourceVersion: namespaces.resourceVersion };
  },
  get: async ({ client }, { name }) => {
    if (name === defaultAllowProfile.metadata.name) return defaultAllowProfile;
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
};

const plain = storedMethods(Profile);

/** Profiles of an etcd: those that stand there, and the one that is built in. */
const stored: CtlMethods = {
  ...plain,
  list: async store => {
    const { items, resourceVersion } = await plain.list(store);
    return { items: [defaultAllowProfile, ...items], resourceVersion };
  },
  get: async (store, key) => (isBuiltIn(key) ? defaultAllowProfile : await plain.get(store, key)),
  update: async (store, next, current) =>
    isBuiltIn(next.metadata) ? refuse('Update', next.metadata) : await plain.update(store, next, current),
  delete: async (store, key) => (isBuiltIn(key) ? refuse('Delete', key) : await plain.delete(store, key)),
};

function isBuiltIn({ name }: ObjectKey): boolean {
  return name === defaultAllowProfile.metadata.name;
}

function refuse(op: string, { name }: ObjectKey): never {
  throw new Unsupported(op, printId(Profile, { name }), 'it is built in');
}

/** Rules and labels that endpoints name. */
export function profileKind(kind: Kind, table: CalicoctlTable): CtlKind {
  return { ...describedKind(kind, table), ...byDatastore({ kubernetes: derived, etcdv3: stored }) };
}
