import { isDeepStrictEqual } from 'node:util';
import { BGPConfiguration, FelixConfiguration, IPAMConfiguration, type Kind, type Resource } from '@calico/api';
import {
  type Client,
  type DatastoreType,
  ensureInitialized,
  isAlreadyExists,
  isConflict,
  isNotFound,
} from '@calico/datastore';
import type { Clock, Random } from '@calico/reconcile';
import type { NodeLog } from './log.ts';

/** What the default objects say. */
export interface DefaultObjects {
  readonly nodeName: string;
  /** The version that this node runs. */
  readonly version: string;
  /** What the cluster is made of, in order. */
  readonly clusterType: readonly string[];
  readonly datastore: DatastoreType;
}

/** How often an object is tried again when other nodes write it at the same time. */
const TRIES = 20;

/**
 * Sees to it that the objects are there that every cluster has, with every field set that somebody has to set; what is set
 * already stays. Any number of nodes may do so at once. Rejects with a DatastoreError.
 */
export async function ensureDefaultObjects(
  client: Client,
  wanted: DefaultObjects,
  deps: { readonly clock: Clock; readonly random: Random; readonly log: NodeLog; readonly signal?: AbortSignal },
): Promise<void> {
  const ensure = <R extends Resource>(kind: Kind<R>, name: string, fill: (spec: R['spec']) => R['spec']) =>
    ensureObject(client, kind, name, fill);
  const felix = { reportingInterval: '0s', logSeverityScreen: 'Info' } as const;
  await Promise.all([
    ensureInitialized(client, {
      ...deps,
      datastore: wanted.datastore,
      calicoVersion: wanted.version,
      clusterType: wanted.clusterType.join(','),
    }),
    ensure(FelixConfiguration, 'default', spec => ({ ...felix, ...spec })),
    // With etcd a node lets its pods reach it unless told otherwise, as ever in Calico.
    ...(wanted.datastore === 'etcdv3'
      ? [
          ensure(FelixConfiguration, `node.${wanted.nodeName}`, spec => ({
            defaultEndpointToHostAction: 'Return',
            ...spec,
          })),
        ]
      : []),
    ensure(BGPConfiguration, 'default', spec => spec),
    // Its defaults are not what absent fields would mean, so it is made with all of them; one that is there stays.
    create(client, IPAMConfiguration, 'default', {
      autoAllocateBlocks: true,
      strictAffinity: false,
      maxBlocksPerHost: 0,
      kubeVirtVMAddressPersistence: 'Enabled',
    }),
  ]);
}

/** Creates an object where there is none; one that is there stays as it is. */
async function create<R extends Resource>(client: Client, kind: Kind<R>, name: string, spec: R['spec']): Promise<void> {
  try {
    await client.get(kind, { name });
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  try {
    await client.create(kind, newObject(kind, name, spec));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** Creates an object, or fills in what is missing of the one that is there; nothing is written when nothing is. */
async function ensureObject<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  name: string,
  fill: (spec: R['spec']) => R['spec'],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const present = await client.get(kind, { name }).catch(error => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const spec = fill(present?.spec ?? {});
    if (present !== undefined && isDeepStrictEqual(spec, present.spec)) return;
    try {
      if (present === undefined) await client.create(kind, newObject(kind, name, spec));
      else await client.update(kind, { ...present, spec });
      return;
    } catch (error) {
      if (tries === TRIES || !(isConflict(error) || isAlreadyExists(error))) throw error;
    }
  }
}

function newObject<R extends Resource>(kind: Kind<R>, name: string, spec: R['spec']): R {
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name }, spec } as R;
}
