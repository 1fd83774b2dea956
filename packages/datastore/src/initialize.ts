import { isDeepStrictEqual } from 'node:util';
import { BUILT_IN_TIERS, ClusterInformation, Tier } from '@calico/api';
import type { Clock, Random } from '@calico/reconcile';
import type { Client, DatastoreType } from './client.ts';
import { isAlreadyExists, isConflict, isForbidden, isNotFound, isUnauthorized } from './error.ts';
import type { Log } from './reflector.ts';
import { randomUid } from './uid.ts';

/** What a cluster is to know of the program that sees to its datastore. */
export interface InitializeOptions {
  readonly datastore: DatastoreType;
  /** Absent where it is not known, as to calicoctl. */
  readonly calicoVersion?: string;
  /** What the cluster is made of, such as `k8s,bgp`; what is there already stays. */
  readonly clusterType?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Log;
  readonly signal?: AbortSignal;
}

type Spec = ClusterInformation['spec'];

/** How often, and after how long at most in ms, it is tried again when others write the same object. */
const TRIES = 20;
const PAUSE_MS = 1000;

/**
 * Sees to it that a datastore can be used by Calico: its ClusterInformation says what the cluster is and whether the
 * datastore is ready (one that is locked stays so), and the built-in tiers are there. Idempotent; several programs may do it
 * at once. Does as much as it can, then rejects with the first failure.
 */
export async function ensureInitialized(client: Client, options: InitializeOptions): Promise<void> {
  const tiers = Object.entries(BUILT_IN_TIERS).map(([name, spec]) => ensureTier(client, name, spec, options));
  const steps = await Promise.allSettled([ensureClusterInformation(client, options), ...tiers]);
  const failure = steps.find(step => step.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

async function ensureClusterInformation(client: Client, options: InitializeOptions): Promise<void> {
  for (let tries = 1; ; tries++) {
    const present = await clusterInformation(client);
    const spec = completed(present?.spec ?? {}, options);
    if (present !== undefined && isDeepStrictEqual(spec, present.spec)) return;
    const { apiVersion, kind } = ClusterInformation;
    try {
      if (present !== undefined) await client.update(ClusterInformation, { ...present, spec });
      else await client.create(ClusterInformation, { apiVersion, kind, metadata: { name: 'default' }, spec });
      return;
    } catch (err) {
      if (tries === TRIES || !(isConflict(err) || isAlreadyExists(err))) throw err;
      await options.clock.sleep(PAUSE_MS * options.random.next(), options.signal);
    }
  }
}

async function clusterInformation(client: Client): Promise<ClusterInformation | undefined> {
  try {
    return await client.get(ClusterInformation, { name: 'default' });
  } catch (err) {
    if (isNotFound(err)) return undefined;
    throw err;
  }
}

function completed(present: Spec, { datastore, calicoVersion, clusterType = '', random }: InitializeOptions): Spec {
  const words = (text: string): string[] => text.split(',').filter(word => word !== '');
  // "kdd", Kubernetes as datastore, comes last.
  const types = new Set([
    ...words(present.clusterType ?? ''),
    ...words(clusterType),
    ...(datastore === 'kubernetes' ? ['kdd'] : []),
  ]);
  return {
    ...present,
    ...(calicoVersion ? { calicoVersion } : {}),
    ...(types.size === 0 ? {} : { clusterType: [...types].join(',') }),
    clusterGUID: present.clusterGUID || randomUid(random).replaceAll('-', ''),
    datastoreReady: present.datastoreReady ?? true,
  };
}

/** Creates a tier. One that this program may not create is left to those that may. */
async function ensureTier(client: Client, name: string, spec: Tier['spec'], { log }: InitializeOptions): Promise<void> {
  try {
    await client.create(Tier, { apiVersion: Tier.apiVersion, kind: Tier.kind, metadata: { name }, spec: { ...spec } });
  } catch (err) {
    if (isAlreadyExists(err)) return;
    if (!isForbidden(err) && !isUnauthorized(err)) throw err;
    log?.warn({ tier: name, err }, 'not allowed to create a built-in tier');
  }
}
