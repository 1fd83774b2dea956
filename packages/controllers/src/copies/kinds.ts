import {
  KubernetesNetworkPolicy,
  kubernetesNetworkPolicyToPolicy,
  Namespace,
  NetworkPolicy,
  namespaceProfileName,
  namespaceToProfile,
  Profile,
  type Resource,
  ServiceAccount,
  serviceAccountProfileName,
  serviceAccountToProfile,
} from '@calico/api';
import type { Copying } from './copy-controller.ts';

const POLICY_PREFIX = 'knp.default.';
const NAMESPACE_PREFIX = namespaceProfileName('');
const ACCOUNT_PREFIX = serviceAccountProfileName('', '').slice(0, -1);

/** Kubernetes' network policies, as policies of Calico's default tier. */
export const POLICIES: Copying<KubernetesNetworkPolicy, NetworkPolicy> = {
  name: 'policy',
  from: KubernetesNetworkPolicy,
  to: NetworkPolicy,
  originalOf: key => {
    const [namespace, name = ''] = key.split('/');
    return name.startsWith(POLICY_PREFIX) ? `${namespace}/${name.slice(POLICY_PREFIX.length)}` : undefined;
  },
  copyOf: key => key.replace('/', `/${POLICY_PREFIX}`),
  convert: original => {
    // Rules that cannot be expressed are left out, which allows less, never more.
    const { policy } = kubernetesNetworkPolicyToPolicy(original);
    const { name, namespace = 'default' } = original.metadata;
    return fresh(policy, `${POLICY_PREFIX}${name}`, namespace);
  },
};

/** Namespaces, as profiles. While one ends, its profile stays as it is. */
export const NAMESPACES: Copying<Namespace, Profile> = {
  name: 'namespace',
  from: Namespace,
  to: Profile,
  originalOf: key => (key.startsWith(NAMESPACE_PREFIX) ? key.slice(NAMESPACE_PREFIX.length) : undefined),
  copyOf: namespaceProfileName,
  convert: namespace => {
    if (namespace.metadata.deletionTimestamp !== undefined) return undefined;
    const profile = namespaceToProfile(namespace);
    return fresh(profile, profile.metadata.name);
  },
};

/** Service accounts, as profiles. */
export const SERVICE_ACCOUNTS: Copying<ServiceAccount, Profile> = {
  name: 'serviceaccount',
  from: ServiceAccount,
  to: Profile,
  // A namespace has no dot in its name, an account may have.
  originalOf: key => {
    if (!key.startsWith(ACCOUNT_PREFIX)) return undefined;
    const [namespace, ...name] = key.slice(ACCOUNT_PREFIX.length).split('.');
    return name.length === 0 ? undefined : `${namespace}/${name.join('.')}`;
  },
  copyOf: key => {
    const [namespace = '', name = ''] = key.split('/');
    return serviceAccountProfileName(namespace, name);
  },
  convert: account => {
    const profile = serviceAccountToProfile(account);
    return fresh(profile, profile.metadata.name);
  },
};

/** The object without what a conversion takes over of the original's identity. */
function fresh<R extends Resource>(object: R, name: string, namespace?: string): R {
  return { ...object, metadata: namespace === undefined ? { name } : { name, namespace } };
}
