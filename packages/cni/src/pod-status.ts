import { CONTAINER_ID_ANNOTATION, POD_IP_ANNOTATION, POD_IPS_ANNOTATION, Pod } from '@calico/api';
import { isOutcomeUnknown, isTransient } from '@calico/datastore';
import { type Addr, hostCidr, printCidr } from '@calico/ip';
import { backoff } from '@calico/reconcile';
import type { CniDeps } from './deps.ts';

const tries = 4;

/** The annotations by which everybody knows a pod's addresses and the container that has them. */
export function addressAnnotations(addresses: readonly Addr[], containerId: string): Record<string, string> {
  const texts = addresses.map(each => printCidr(hostCidr(each)));
  return {
    [POD_IP_ANNOTATION]: texts[0] ?? '',
    [POD_IPS_ANNOTATION]: texts.join(','),
    [CONTAINER_ID_ANNOTATION]: containerId,
  };
}

/** The annotations of a pod whose addresses are taken back; the container stays noted. */
export const noAddressAnnotations: Readonly<Record<string, string>> = {
  [POD_IP_ANNOTATION]: '',
  [POD_IPS_ANNOTATION]: '',
};

/**
 * Writes annotations of this very pod (by uid) through its status, as Calico's plugin does. A lost answer or a server that
 * is away for a moment is tried again: the patch may be repeated. Rejects with DatastoreError.
 */
export async function annotatePod(
  { client, clock, random }: Pick<CniDeps, 'client' | 'clock' | 'random'>,
  { metadata: { name, namespace, uid } }: Pod,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  const delays = backoff({ base: 50, max: 1_000, factor: 2, jitter: 0.3 }, random);
  const key = { name, ...(namespace === undefined ? {} : { namespace }) };
  const patch = { metadata: { ...(uid === undefined ? {} : { uid }), annotations } };
  for (let left = tries - 1; ; left--) {
    try {
      await client.patch(Pod, key, patch, { type: 'strategic', subresource: 'status' });
      return;
    } catch (error) {
      if (left === 0 || !(isTransient(error) || isOutcomeUnknown(error))) throw error;
      await clock.sleep(delays.next());
    }
  }
}
