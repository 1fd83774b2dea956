import { CONTAINER_ID_ANNOTATION, POD_IP_ANNOTATION, POD_IPS_ANNOTATION, Pod, WorkloadEndpoint } from '@calico/api';
import {
  DatastoreError,
  isAlreadyExists,
  isConflict,
  isInvalid,
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
  const found = containerOf(pod);
  const noted = pod.metadata.annotations?.[POD_IPS_ANNOTATION] || pod.metadata.annotations?.[POD_IP_ANNOTATION] || '';
  let mayBeNoted = noted !== '';
  let own = found;
  let last = pod;
  const annotate = async (annotations: Readonly<Record<string, string>>) => {
    last = await annotateOf(deps, last, [found, own], annotations);
  };
  return {
    containerId: found,
    addresses: parseAddresses(noted.split(',')),
    async write({ spec }) {
      mayBeNoted = true;
      own = spec.containerID ?? '';
      await annotate(addressAnnotations(spec.ipNetworks ?? [], own));
    },
    async clear() {
      // With the container's name, a write that is still on its way finds another one than it was made for.
      if (mayBeNoted) await gone(annotate(addressAnnotations([], own)));
    },
  };
}

function containerOf({ metadata }: Pod): string {
  return metadata.annotations?.[CONTAINER_ID_ANNOTATION] ?? '';
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

/**
 * Writes annotations of this very pod through its status, if the container noted there is one of those allowed. It takes one
 * request: the server compares. So what a process had under way when it died cannot undo what a newer container's wrote.
 * Gives the pod after it. Rejects with Conflict when another container has been noted, or another pod has the name.
 */
async function annotateOf(
  deps: WriteDeps & Pick<CniDeps, 'client'>,
  read: Pod,
  allowed: readonly string[],
  annotations: Readonly<Record<string, string>>,
): Promise<Pod> {
  const { name, namespace, uid } = read.metadata;
  const key = { name, ...(namespace === undefined ? {} : { namespace }) };
  let last = read;
  return await repeated(deps, isStale, async again => {
    if (again) last = await deps.client.get(Pod, key);
    if (last.metadata.uid !== uid || !allowed.includes(containerOf(last))) {
      const reason = `it is pod ${last.metadata.uid} with container "${containerOf(last)}" by now; written for pod ${uid}`;
      throw new DatastoreError({ code: 'Conflict', op: 'patch', resource: `Pod(${namespace}/${name})`, reason });
    }
    return await deps.client.patch(Pod, key, comparing(last, annotations), { type: 'json', subresource: 'status' });
  });
}

/** A JSON patch of annotations that fails for another pod of the name, and when the container noted is another by then. */
function comparing({ metadata }: Pod, annotations: Readonly<Record<string, string>>): object[] {
  const all = '/metadata/annotations';
  const at = (name: string) => `${all}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const known = metadata.annotations;
  return [
    ...(metadata.uid === undefined ? [] : [{ op: 'test', path: '/metadata/uid', value: metadata.uid }]),
    ...(known === undefined
      ? [
          { op: 'test', path: all, value: null },
          { op: 'add', path: all, value: annotations },
        ]
      : [
          { op: 'test', path: at(CONTAINER_ID_ANNOTATION), value: known[CONTAINER_ID_ANNOTATION] ?? null },
          ...Object.entries(annotations).map(([name, value]) => ({ op: 'add', path: at(name), value })),
        ]),
  ];
}

/** A lost answer, or a server that is away for a moment. */
function isPassing(error: unknown): boolean {
  return isTransient(error) || isOutcomeUnknown(error);
}

/** A comparison failed, which the server does not tell from what is not valid: to be read again. */
function isStale(error: unknown): boolean {
  return isPassing(error) || isInvalid(error);
}

/** Another writer was first: to be read again. */
function isRaced(error: unknown): boolean {
  return isPassing(error) || isConflict(error) || isAlreadyExists(error) || isNotFound(error);
}

async function repeated<T>(
  deps: WriteDeps,
  helps: (error: unknown) => boolean,
  write: (again: boolean) => Promise<T>,
): Promise<T> {
  const delays = backoff({ base: 50, max: 1_000, factor: 2, jitter: 0.3 }, deps.random);
  for (let left = tries - 1; ; left--) {
    try {
      return await write(left < tries - 1);
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
