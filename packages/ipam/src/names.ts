import { hostnameHash } from '@calico/datastore';
import type { Family } from '@calico/ip';
import type { Owner } from './owner.ts';

/** Labels of a BlockAffinity, by which it is listed. */
export const HOSTNAME_HASH_LABEL = 'projectcalico.org/hostname-hash';
export const AFFINITY_TYPE_LABEL = 'projectcalico.org/affinity-type';
export const IP_VERSION_LABEL = 'projectcalico.org/ip-version';

/** The name of the IPAMHandle of a handle ID. */
export function handleName(handle: string): string {
  return handle.toLowerCase();
}

/** The labels that the affinities of an owner have, of one family or (as a selector for both) of any. */
export function affinityLabels(owner: Owner, family?: Family): Record<string, string> {
  const labels: Record<string, string> = {
    [HOSTNAME_HASH_LABEL]: hostnameHash(owner.name),
    [AFFINITY_TYPE_LABEL]: owner.type,
  };
  if (family !== undefined) labels[IP_VERSION_LABEL] = String(family);
  return labels;
}
