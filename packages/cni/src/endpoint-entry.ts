import { CONTAINER_ID_ANNOTATION, POD_IP_ANNOTATION, POD_IPS_ANNOTATION, Pod, WorkloadEndpoint } from '@calico/api';
import {
  isAlreadyExists,
  isConflict,
  isNotFound,
  isOutcomeUnknown,
  isTransient,
  type ObjectKey,
} from '@calico/datastore';
import { type Addr, parseCidr } from '@calico/ip';
import { backoff } from '@calico/reconcile';
import type { CniDeps } from './deps.ts';

/** What the datastore notes of a workload's endpoint, and the way to change it. Everything may be repeated. */
export interface EndpointEntry {
  /** The container that the endpoint was last made for; empty where there was none. */
  readonly containerId: string;
  readonly addresses: readonly Addr[];
  /** Notes an endpoint. Rejects with DatastoreError. */
  write(endpoint: WorkloadEndpoint): Promise<void>;
  /** Takes back what is noted; nothing noted is no error. Rejects with DatastoreError. */
  clear(): Promise<void>;
}

type WriteDeps = Pick<CniDeps, 'clock' | 'random'>;

const tries = 4;

/** The entry of a pod in the datastore of Kubernetes: annotations of its status, as Calico's plugin writes them. */
export function podEntry(deps: WriteDeps & Pick<CniDeps, 'client'>, pod: Pod): EndpointEntry {
  const annotations = pod.metadata.annotations ?? {};
  const noted = annotations[POD_IPS_ANNOTATION] || annotations[POD_IP_ANNOTATION] || '';
  let written = noted !== '';
  return {
    containerId: annotations[CONTAINER_ID_ANNOTATION] ?? '',
    addresses: parseAddresses(noted.split(',')),
    async write({ spec }) {
      written = true;
      await annotate(deps, pod, addressAnnotations(spec.ipNetworks ?? [], spec.containerID ?? ''));
    },
    async clear() {
      if (!written) return;
      await gone(annotate(deps, pod, { [POD_IP_ANNOTATION]: '', [POD_IPS_ANNOTATION]: '' }));
    },
  };
}

/** The annotations by which everybody knows a pod's addresses and the container that has them. */
export function addressAnnotations(addresses: readonly string[], containerId: string): Record<string, string> {
  return {
    [POD_IP_ANNOTATION]: addresses[0] ?? '',
    [POD_IPS_ANNOTATION]: addresses.join(','),
    [CONTAINER_ID_ANNOTATION]: containerId,
  };
}

/** The entry of a workload in etcd: a WorkloadEndpoint of its own. */
export async function storedEntry(deps: WriteDeps & Pick<CniDeps, 'client'>, key: ObjectKey): Promise<EndpointEntry> {
  const read = async () => {
    try {
      return await deps.client.get(WorkloadEndpoint, key);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  const found = await read();
  return {
    containerId: found?.spec.containerID ?? '',
    addresses: parseAddresses(found?.spec.ipNetworks ?? []),
    async write(endpoint) {
      let current = found;
      await repeated(deps, isRaced, async again => {
        if (again) current = await read();
        const resourceVersion = current?.metadata.resourceVersion;
        if (resourceVersion === undefined) await deps.client.create(WorkloadEndpoint, endpoint);
        else
          await deps.client.update(WorkloadEndpoint, {
            ...endpoint,
            metadata: { ...endpoint.metadata, resourceVersion },
          });
      });
    },
    async clear() {
      await gone(repeated(deps, isPassing, () => deps.client.delete(WorkloadEndpoint, key)));
    },
  };
}

/** Writes annotations of this very pod (by uid) through its status. */
async function annotate(
  deps: WriteDeps & Pick<CniDeps, 'client'>,
  { metadata: { name, namespace, uid } }: Pod,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  const key = { name, ...(namespace === undefined ? {} : { namespace }) };
  const patch = { metadata: { ...(uid === undefined ? {} : { uid }), annotations } };
  await repeated(deps, isPassing, () =>
    deps.client.patch(Pod, key, patch, { type: 'strategic', subresource: 'status' }),
  );
}

/** A lost answer, or a server that is away for a moment. */
function isPassing(error: unknown): boolean {
  return isTransient(error) || isOutcomeUnknown(error);
}

/** Another writer was first: to be read again. */
function isRaced(error: unknown): boolean {
  return isPassing(error) || isConflict(error) || isAlreadyExists(error) || isNotFound(error);
}

async function repeated(
  deps: WriteDeps,
  helps: (error: unknown) => boolean,
  write: (again: boolean) => Promise<unknown>,
): Promise<void> {
  const delays = backoff({ base: 50, max: 1_000, factor: 2, jitter: 0.3 }, deps.random);
  for (let left = tries - 1; ; left--) {
    try {
      await write(left < tries - 1);
      return;
    } catch (error) {
      if (left === 0 || !helps(error)) throw error;
      await deps.clock.sleep(delays.next());
    }
  }
}

/** What is gone, or another's by now, needs no clearing. */
async function gone(write: Promise<void>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

function parseAddresses(texts: readonly string[]): Addr[] {
  return texts.flatMap(text => parseCidr(text.trim())?.addr ?? []);
}
