import {
  CalicoNode,
  ClusterInformation,
  type Kind,
  Profile,
  printJson,
  type Resource,
  WorkloadEndpoint,
} from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { printYamlObjects } from '../output/objects.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';
import { IPAM_KINDS, isMoved, MOVED_KINDS } from './kinds.ts';
import { type NodeNames, renameNodes } from './rename-nodes.ts';

/** Profiles that Kubernetes' namespaces and service accounts give, and the one that is built in. */
const DERIVED_PROFILE = /^(kns\.|ksa\.|projectcalico-default-allow$)/;

/**
 * `calicoctl datastore migrate export`: everything that Calico keeps in a locked etcd, as `import` takes it, on stdout. What has no
 * place in a Kubernetes datastore stays behind and is named on stderr.
 */
export async function runExport(flags: ConnectionFlags, world: World): Promise<void> {
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const { client, type } = store;
  if (type !== 'etcdv3')
    throw new Failure(
      `Cannot export the datastore: datastoreType is "${type}"; allowed: etcdv3, from which Calico moves`,
    );
  try {
    const cluster = await client.get(ClusterInformation, { name: 'default' }).catch(absent);
    if (cluster?.spec.datastoreReady !== false)
      throw new Failure(
        'Datastore is not locked. Run the `calicoctl datastore migrate lock` command in order to begin migration.',
      );
    const names = await nodeNames(client, world);
    const { calicoVersion: _version, ...information } = cluster.spec;
    await print({ ...bare(cluster), spec: information }, world);
    for (const kind of MOVED_KINDS) {
      for (const resource of (await client.list(kind)).items.filter(isMoved)) {
        if (kind.kind === CalicoNode.kind && !names.has(resource.metadata.name)) continue;
        await print(renameNodes(bare(resource), names), world);
      }
    }
    await tellWhatStays(client, world);
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure(`Cannot export the datastore: ${errorText(err)}`);
  }
}

async function nodeNames(client: Client, world: World): Promise<NodeNames> {
  const names = new Map<string, string>();
  for (const { metadata, spec } of (await client.list(CalicoNode)).items) {
    const known = spec?.orchRefs?.find(({ orchestrator }) => orchestrator === 'k8s')?.nodeName;
    if (known) names.set(metadata.name, known);
    else world.err(`Node(${metadata.name}) stays behind: it has no orchRef of "k8s", so Kubernetes does not know it\n`);
  }
  return names;
}

async function tellWhatStays(client: Client, world: World): Promise<void> {
  for (const { metadata } of (await client.list(Profile)).items) {
    if (DERIVED_PROFILE.test(metadata.name)) continue;
    world.err(
      `Profile(${metadata.name}) stays behind: Kubernetes' namespaces and service accounts are the profiles there\n`,
    );
  }
  for (const { metadata, spec } of (await client.list(WorkloadEndpoint)).items) {
    if (spec.orchestrator === 'k8s') continue;
    const id = `${metadata.namespace}/${metadata.name}`;
    world.err(`WorkloadEndpoint(${id}) stays behind: it is no pod's (orchestrator is "${spec.orchestrator}")\n`);
  }
}

async function print(resource: Resource, world: World): Promise<void> {
  // Of blocks and handles there may be tens of thousands, which nobody edits: one line each.
  const isIpam = IPAM_KINDS.some(({ kind }: Pick<Kind, 'kind'>) => kind === resource.kind);
  world.out(`---\n${isIpam ? `${printJson(resource)}\n` : await printYamlObjects(resource)}`);
}

/** Without what the server it comes from made. */
function bare<R extends Resource>({ apiVersion, kind, metadata, ...rest }: R): R {
  const { name, namespace, labels, annotations } = metadata;
  const own = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const { status: _status, ...content } = rest as { status?: unknown };
  return { apiVersion, kind, metadata: own, ...content } as unknown as R;
}

function absent(err: unknown): undefined {
  if (!isNotFound(err)) throw err;
}
