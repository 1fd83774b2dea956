import {
  BGPFilter,
  BGPPeer,
  BUILT_IN_TIERS,
  defaultAllowProfile,
  GlobalNetworkPolicy,
  IPAMBlock,
  IPPool,
  type Kind,
  NAMESPACE_LABEL,
  NetworkPolicy,
  ORCHESTRATOR_LABEL,
  Profile,
  type Resource,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
  WorkloadEndpoint,
} from '@calico/api';
import { type Cidr, cidrsOverlap, parseCidr } from '@calico/ip';
import { type Client, keyOf, printKey } from './client.ts';
import { DatastoreError, type DatastoreErrorCode, isNotFound, printResource } from './error.ts';

/** A write that is about to be done. */
export interface Write<R extends Resource = Resource> {
  readonly op: string;
  /** The object as it is to be stored; of a delete, as it is. */
  readonly object: R;
  /** The object as it is; undefined of a create, and of an update that was not read before. */
  readonly old: R | undefined;
  readonly deletes: boolean;
}

/** What has to hold for a write beside the object itself, or what is filled in for it. */
export interface WriteRule<R extends Resource = Resource> {
  readonly kind: Kind<R>;
  /** Before defaults and validation. */
  prepare?(object: R): R;
  /** Whether deletes are looked at too. */
  readonly deletes?: boolean;
  /** After them; what it reads may have changed when the write is done, as with Calico's own clients. Rejects with a DatastoreError. */
  check?(write: Write<R>, client: Client): Promise<void>;
}

/** A rule whose type of objects does not matter to the caller. */
function rule<R extends Resource>(of: WriteRule<R>): WriteRule {
  return of as unknown as WriteRule;
}

const TIERED = [NetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy, StagedGlobalNetworkPolicy] as const;

function refuse({ op, object }: Write, code: DatastoreErrorCode, reason: string): DatastoreError {
  const { name, namespace } = object.metadata;
  return new DatastoreError({ code, op, resource: printResource(object.kind, namespace, name), reason });
}

function tierOf({ spec }: Resource): string {
  const tier: unknown = Reflect.get(Object(spec), 'tier');
  return typeof tier === 'string' && tier !== '' ? tier : 'default';
}

/** Policies are put into tiers that exist. */
async function tierExists(write: Write, client: Client): Promise<void> {
  const tier = tierOf(write.object);
  if (write.old !== undefined && tierOf(write.old) === tier) return;
  try {
    await client.get(Tier, { name: tier });
  } catch (err) {
    if (!isNotFound(err)) throw err;
    const reason = `it has to be there before ${write.object.kind}(${printKey(keyOf(write.object))}) is put into it`;
    throw new DatastoreError({ code: 'NotFound', op: write.op, resource: `Tier(${tier})`, reason, cause: err });
  }
}

/** Built-in tiers stay, and so does a tier that policies are in. */
async function tierIsEmpty(write: Write<Tier>, client: Client): Promise<void> {
  if (!write.deletes) return;
  const { name } = write.object.metadata;
  if (Object.hasOwn(BUILT_IN_TIERS, name)) throw refuse(write, 'Invalid', 'it is built in and cannot be deleted');
  for (const kind of TIERED) {
    const { items } = await client.list<Resource>(kind as unknown as Kind);
    const inside = items.find(policy => tierOf(policy) === name);
    if (inside === undefined) continue;
    throw refuse(
      write,
      'Invalid',
      `it is not empty; delete its policies first, such as ${kind.kind}(${printKey(keyOf(inside))})`,
    );
  }
}

/** Pools do not overlap, and a new one has the size of the blocks that are there already. */
async function poolIsApart(write: Write<IPPool>, client: Client): Promise<void> {
  const own = parseCidr(write.object.spec.cidr);
  if (own === undefined) return;
  const { items } = await client.list(IPPool);
  const other = items.find(pool => pool.metadata.name !== write.object.metadata.name && overlaps(own, pool.spec.cidr));
  if (other !== undefined) {
    const reason = `spec.cidr is "${write.object.spec.cidr}"; allowed: one that does not overlap IPPool(${other.metadata.name}), "${other.spec.cidr}"`;
    throw refuse(write, 'Invalid', reason);
  }
  if (write.op === 'create') await blocksFit(write, own, client);
}

async function blocksFit(write: Write<IPPool>, own: Cidr, client: Client): Promise<void> {
  const { blockSize } = write.object.spec;
  const blocks = (await client.list(IPAMBlock)).items.map(({ spec }) => spec.cidr);
  const block = blocks.find(text => overlaps(own, text) && parseCidr(text)?.length !== blockSize);
  if (block === undefined) return;
  const reason = `spec.blockSize is ${blockSize}; allowed: that of the blocks there are, such as "${block}"`;
  throw refuse(write, 'Invalid', reason);
}

function overlaps(own: Cidr, text: string): boolean {
  const other = parseCidr(text);
  return other !== undefined && cidrsOverlap(own, other);
}

/** Filters that a peer names exist. */
async function filtersExist(write: Write<BGPPeer>, client: Client): Promise<void> {
  const { filters = [] } = write.object.spec;
  if (filters.length === 0) return;
  const known = new Set((await client.list(BGPFilter)).items.map(({ metadata }) => metadata.name));
  const missing = filters.filter(name => !known.has(name));
  if (missing.length === 0) return;
  throw refuse(write, 'Invalid', `spec.filters names ${missing.join(', ')}; allowed: BGPFilters that exist`);
}

/** The profile that allows everything is there without being stored. */
async function profileIsNotBuiltIn(write: Write<Profile>): Promise<void> {
  if (write.object.metadata.name === defaultAllowProfile.metadata.name)
    throw refuse(write, 'AlreadyExists', 'it is built in');
}

/** Labels that policies count on are those of its namespace and orchestrator, whatever is given. */
function withOwnLabels(endpoint: WorkloadEndpoint): WorkloadEndpoint {
  const { namespace = '', labels } = endpoint.metadata;
  const own = { [NAMESPACE_LABEL]: namespace, [ORCHESTRATOR_LABEL]: endpoint.spec?.orchestrator ?? '' };
  return { ...endpoint, metadata: { ...endpoint.metadata, labels: { ...labels, ...own } } };
}

/** What Calico's clients see to when they write: etcd has no server that would, and CRDs can say only some of it. */
export const calicoWriteRules: readonly WriteRule[] = [
  ...TIERED.map(kind => ({ kind: kind as unknown as Kind, check: tierExists })),
  rule({ kind: Tier, deletes: true, check: tierIsEmpty }),
  rule({ kind: IPPool, check: poolIsApart }),
  rule({ kind: BGPPeer, check: filtersExist }),
  rule({ kind: Profile, check: profileIsNotBuiltIn }),
  rule({ kind: WorkloadEndpoint, prepare: withOwnLabels }),
];
