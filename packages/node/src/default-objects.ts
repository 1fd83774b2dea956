import {
  BGPConfiguration,
  BUILT_IN_TIERS,
  ClusterInformation,
  FelixConfiguration,
  IPAMConfiguration,
  type Kind,
  type Resource,
  Tier,
} from '@calico/api';
import { type Client, isAlreadyExists, isConflict, isForbidden, isNotFound, isUnauthorized } from '@calico/datastore';
import { type Random, randomInt } from '@calico/reconcile';
import type { NodeLog } from './log.ts';

/** What the default objects say. */
export interface DefaultObjects {
  readonly nodeName: string;
  /** The version that this node runs. */
  readonly version: string;
  /** What the cluster is made of, in order. */
  readonly clusterType: readonly string[];
  /** Whether the node gets a FelixConfiguration of its own that lets pods reach it; Calico does so with etcd only. */
  readonly ownFelixConfiguration: boolean;
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
  { random, log }: { readonly random: Random; readonly log: NodeLog },
): Promise<void> {
  const ensure = <R extends Resource>(kind: Kind<R>, name: string, fill: (spec: R['spec']) => R['spec']) =>
    ensureObject(client, kind, name, fill);
  const felix = { reportingInterval: '0s', logSeverityScreen: 'Info' } as const;
  await Promise.all([
    ensure(ClusterInformation, 'default', spec => clusterInformation(spec, wanted, random)),
    ...Object.entries(BUILT_IN_TIERS).map(([name, spec]) => ensureTier(client, name, { ...spec }, log)),
    ensure(FelixConfiguration, 'default', spec => ({ ...felix, ...spec })),
    ...(wanted.ownFelixConfiguration
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

function clusterInformation(
  spec: ClusterInformation['spec'],
  { version, clusterType }: DefaultObjects,
  random: Random,
): ClusterInformation['spec'] {
  const known = spec.clusterType ? spec.clusterType.split(',') : [];
  return {
    ...spec,
    calicoVersion: version,
    clusterGUID: spec.clusterGUID || randomGuid(random),
    datastoreReady: spec.datastoreReady ?? true,
    clusterType: [...new Set([...known, ...clusterType])].join(','),
  };
}

/** 32 hexadecimal digits. */
function randomGuid(random: Random): string {
  return Array.from({ length: 32 }, () => randomInt(random, 16).toString(16)).join('');
}

/** A tier that may not be written is somebody else's matter: some clusters keep node agents from it. */
async function ensureTier(client: Client, name: string, spec: Tier['spec'], log: NodeLog): Promise<void> {
  try {
    await create(client, Tier, name, spec);
  } catch (err) {
    if (!isForbidden(err) && !isUnauthorized(err)) throw err;
    log.warn({ err, tier: name }, 'Not allowed to create a tier; it has to be there already');
  }
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
    if (present !== undefined && same(spec, present.spec)) return;
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

function same(a: unknown, b: unknown): boolean {
  const sorted = (value: unknown) => JSON.stringify(Object.entries(Object(value)).sort(([x], [y]) => (x < y ? -1 : 1)));
  return sorted(a) === sorted(b);
}
