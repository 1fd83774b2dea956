import type { Profile } from '../kinds/calico/profile.ts';
import type { Namespace } from '../kinds/kubernetes/namespace.ts';
import type { ServiceAccount } from '../kinds/kubernetes/service-account.ts';
import {
  NAME_LABEL,
  NAMESPACE_LABEL_PREFIX,
  namespaceProfileName,
  SERVICE_ACCOUNT_LABEL_PREFIX,
  serviceAccountProfileName,
} from './names.ts';
import { convertUid } from './uid.ts';

function prefixed(prefix: string, labels: Readonly<Record<string, string>> | undefined, name: string) {
  const out: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels ?? {})) out[prefix + key] = value;
  out[prefix + NAME_LABEL] = name;
  return out;
}

function derivedMetadata(name: string, from: Namespace | ServiceAccount): Profile['metadata'] {
  const { uid, resourceVersion, creationTimestamp } = from.metadata;
  return {
    name,
    ...(uid === undefined ? {} : { uid: convertUid(uid) }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
  };
}

/**
 * The profile `kns.<namespace>` of a namespace: it allows everything both ways (Kubernetes' default for pods that no
 * policy selects), and gives its endpoints the namespace's labels with the prefix `pcns.`.
 */
export function namespaceToProfile(namespace: Namespace): Profile {
  const { name, labels } = namespace.metadata;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: derivedMetadata(namespaceProfileName(name), namespace),
    spec: {
      ingress: [{ action: 'Allow' }],
      egress: [{ action: 'Allow' }],
      labelsToApply: prefixed(NAMESPACE_LABEL_PREFIX, labels, name),
    },
  };
}

/**
 * The profile `ksa.<namespace>.<name>` of a service account: no rules, only the account's labels with the prefix
 * `pcsa.` for the endpoints of its pods.
 */
export function serviceAccountToProfile(account: ServiceAccount): Profile {
  const { name, namespace = 'default', labels } = account.metadata;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: derivedMetadata(serviceAccountProfileName(namespace, name), account),
    spec: { labelsToApply: prefixed(SERVICE_ACCOUNT_LABEL_PREFIX, labels, name) },
  };
}
