import { isDeepStrictEqual } from 'node:util';
import { CalicoNode, ClusterInformation, type Kind, printFieldError, type Resource, unknownFields } from '@calico/api';
import { ensureInitialized, isNotFound, keyOf } from '@calico/datastore';
import { systemClock, systemRandom } from '@calico/process';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { metadataOf } from '../files/load-resources.ts';
import { parseDocuments, type RawObject } from '../files/parse-documents.ts';
import { readFiles } from '../files/read-files.ts';
import { printId } from '../kinds/ctl-kind.ts';
import { ctlKindOf } from '../kinds/registry.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { CtlStore } from '../store.ts';
import type { World } from '../world.ts';
import { updateResource } from '../write.ts';
import { IPAM_KINDS, MOVED_KINDS } from './kinds.ts';

/** Faults that a message names. */
const NAMED = 10;

interface Moved {
  readonly kind: Kind;
  readonly resource: Resource;
}

/**
 * `calicoctl datastore migrate import -f FILE`: what `export` wrote goes into a Kubernetes cluster that has no data of Calico's yet,
 * and leaves it locked. Nothing is written unless all of it can be; what is there already as the file says is left, so an import
 * that was cut off is simply started again.
 */
export async function runImport(flags: ConnectionFlags & { readonly filename: string }, world: World): Promise<void> {
  const moved = readMoved(flags.filename, world);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  if (store.type !== 'kubernetes')
    throw new Failure(
      `Cannot import into the datastore: datastoreType is "${store.type}"; allowed: kubernetes, to which Calico moves`,
    );
  try {
    await refuseOtherData(moved, store);
    await lock(moved, store);
    const counts = new Map<string, number>();
    for (const { kind, resource } of inOrder(moved)) {
      await write(kind, resource, store);
      counts.set(kind.kind, (counts.get(kind.kind) ?? 0) + 1);
    }
    for (const [kind, count] of counts) world.out(`Imported ${count} ${kind}\n`);
    world.out('The datastore is locked. Run the `calicoctl datastore migrate unlock` command once all nodes use it.\n');
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure(`Cannot import into the datastore: ${errorText(err)}; once mended, the same import goes on`);
  }
}

function readMoved(filename: string, world: World): Moved[] {
  let objects: RawObject[];
  try {
    objects = readFiles(filename, false, world).flatMap(({ name, text }) => parseDocuments(text, name));
  } catch (err) {
    throw new Failure(`Cannot import ${filename}: ${errorText(err)}`);
  }
  const faults: string[] = [];
  const moved = objects.flatMap(({ value, where }): Moved[] => {
    const { apiVersion, kind: name, metadata, ...rest } = Object(value ?? {});
    const kind = [ClusterInformation as unknown as Kind, ...MOVED_KINDS].find(
      each => each.kind === name && each.apiVersion === apiVersion,
    );
    const own = metadataOf(metadata);
    if (kind === undefined || own === undefined) {
      faults.push(`${where}: ${JSON.stringify(name)} of ${JSON.stringify(apiVersion)} is nothing that export writes`);
      return [];
    }
    const resource: Resource = { apiVersion, kind: kind.kind, metadata: own, ...rest };
    const found = [
      ...unknownFields(kind, resource).map(field => `${field} is no field of it`),
      ...kind.validate(kind.default(resource)).map(printFieldError),
    ];
    faults.push(...found.map(fault => `${where}: ${printId(kind, own)}: ${fault}`));
    return [{ kind, resource }];
  });
  if (!moved.some(({ kind }) => kind.kind === ClusterInformation.kind))
    faults.push(
      'ClusterInformation(default) is missing; allowed: what `calicoctl datastore migrate export` wrote, whole',
    );
  refuse(`Cannot import ${filename}`, faults);
  return moved;
}

/** The cluster may have what every cluster is born with, and what the file has too; nodes must be there. */
async function refuseOtherData(moved: readonly Moved[], store: CtlStore): Promise<void> {
  const wanted = new Map(moved.map(({ kind, resource }) => [printId(kind, keyOf(resource)), { kind, resource }]));
  const faults: string[] = [];
  for (const kind of MOVED_KINDS) {
    const present = await presentOf(kind, store);
    if (kind.kind === CalicoNode.kind) {
      const nodes = new Set(present.map(({ metadata }) => metadata.name));
      for (const { resource } of moved.filter(each => each.kind === kind))
        if (!nodes.has(resource.metadata.name)) faults.push(`Kubernetes has no node "${resource.metadata.name}"`);
      continue;
    }
    for (const resource of present) {
      const id = printId(kind, keyOf(resource));
      const same = wanted.get(id);
      if (isBornWith(resource) || (same !== undefined && sameContent(kind, same.resource, resource))) continue;
      faults.push(`${id} is there already, ${same === undefined ? 'and not in the file' : 'with other content'}`);
    }
  }
  refuse('Cannot import: the datastore has data of Calico; allowed: none, before any node runs', faults);
}

async function presentOf(kind: Kind, store: CtlStore): Promise<Resource[]> {
  const own = ctlKindOf(kind.apiVersion, kind.kind);
  return (own === undefined || IPAM_KINDS.includes(kind) ? await store.client.list(kind) : await own.list(store)).items;
}

const BIRTH_TIERS = new Set(['default', 'kube-admin', 'kube-baseline']);
const SETTINGS = new Set([
  'FelixConfiguration',
  'BGPConfiguration',
  'KubeControllersConfiguration',
  'IPAMConfiguration',
]);

/** Made by the first program that starts: settings of the whole cluster, and the tiers. */
function isBornWith({ kind, metadata: { name } }: Resource): boolean {
  return kind === 'Tier' ? BIRTH_TIERS.has(name) : SETTINGS.has(kind) && name === 'default';
}

function sameContent(kind: Kind, a: Resource, b: Resource): boolean {
  const content = (resource: Resource) => (kind.default(resource) as Resource & { spec?: unknown }).spec;
  return isDeepStrictEqual(content(a), content(b));
}

function refuse(what: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  const more = faults.length > NAMED ? [`and ${faults.length - NAMED} more`] : [];
  throw new Failure([`${what}:`, ...faults.slice(0, NAMED), ...more].join('\n  '));
}

/** First of all, so that nothing is given out before every address is known. */
async function lock(moved: readonly Moved[], { client, type }: CtlStore): Promise<void> {
  await ensureInitialized(client, { datastore: type, clock: systemClock, random: systemRandom });
  const information = moved.find(({ kind }) => kind.kind === ClusterInformation.kind)?.resource;
  const locked = { spec: { ...(information as ClusterInformation | undefined)?.spec, datastoreReady: false } };
  await client.patch(ClusterInformation, { name: 'default' }, locked, { type: 'merge' });
}

function inOrder(moved: readonly Moved[]): Moved[] {
  return MOVED_KINDS.flatMap(kind => moved.filter(each => each.kind === kind));
}

async function write(kind: Kind, resource: Resource, store: CtlStore): Promise<void> {
  const ctlKind = IPAM_KINDS.includes(kind) ? undefined : ctlKindOf(kind.apiVersion, kind.kind);
  const current = await (ctlKind?.get(store, keyOf(resource)) ?? store.client.get(kind, keyOf(resource))).catch(
    (err: unknown) => {
      if (!isNotFound(err)) throw err;
    },
  );
  if (current !== undefined && sameContent(kind, resource, current)) return;
  if (ctlKind !== undefined && current !== undefined) {
    await updateResource({ kind: ctlKind, resource, where: '' }, store);
    return;
  }
  await (ctlKind?.create(store, resource) ?? store.client.create(kind, resource));
}
