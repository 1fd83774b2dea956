import { kindOf, type ModelKind, printFieldError, type ResourceUpdate, unknownFields } from '@calico/api';
import { FELIX_ETCD_SOURCES, FELIX_SOURCES, type ModelSource } from '@calico/datastore';
import { Failure } from '../failure.ts';
import { metadataOf, printable } from '../files/load-resources.ts';
import { parseDocuments, type RawObject } from '../files/parse-documents.ts';
import { readFiles } from '../files/read-files.ts';
import { documentNamespace } from '../namespaces.ts';
import type { CtlStore } from '../store.ts';
import type { World } from '../world.ts';

/** Which files, and the namespace of what has none in them. */
export interface PlannedFlags {
  readonly filename?: string;
  readonly recursive?: boolean;
  readonly namespace?: string;
}

/** What decides connections and is written by users; pods and nodes are as they are. */
const PLANNED: readonly ModelKind[] = [
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'KubernetesNetworkPolicy',
  'KubernetesClusterNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'Tier',
  'NetworkSet',
  'GlobalNetworkSet',
  'Profile',
  'FelixConfiguration',
  'EndpointSlice',
];

/** The objects of files as the calculation would have them once they are applied. Throws a Failure that names all faults by file, object and field. */
export function readPlanned(flags: PlannedFlags, datastore: CtlStore['type'], world: World): ResourceUpdate[] {
  if (flags.filename === undefined) return [];
  const sources = (datastore === 'etcdv3' ? FELIX_ETCD_SOURCES : FELIX_SOURCES).filter(({ model }) =>
    PLANNED.includes(model),
  );
  const updates: ResourceUpdate[] = [];
  const faults: string[] = [];
  for (const document of documentsOf(flags, world)) {
    try {
      updates.push(planned(document, sources, flags.namespace));
    } catch (err) {
      faults.push(`${document.where}: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  if (faults.length > 0) throw new Failure(`Cannot simulate: ${faults.map(printable).join('\n')}`);
  return updates;
}

function documentsOf({ filename = '', recursive = false }: PlannedFlags, world: World): RawObject[] {
  try {
    const documents = readFiles(filename, recursive, world).flatMap(({ name, text }) => parseDocuments(text, name));
    if (documents.length > 0) return documents;
  } catch (err) {
    throw new Failure(`Cannot simulate: ${printable(err instanceof Error ? err.message : String(err))}`);
  }
  throw new Failure(`Cannot simulate: ${filename}: no resources in it`);
}

function planned({ value }: RawObject, sources: readonly ModelSource[], flag: string | undefined): ResourceUpdate {
  if (typeof value !== 'object' || value === null)
    throw new Error('no resource; allowed: an object with apiVersion and kind');
  const { apiVersion, kind: word, metadata }: { apiVersion?: unknown; kind?: unknown; metadata?: unknown } = value;
  const kind = kindOf(String(apiVersion), String(word));
  const source = sources.find(each => each.kind === kind);
  if (kind === undefined || source === undefined) {
    const allowed = sources.map(each => `${each.kind.kind} of ${each.kind.apiVersion}`).join(', ');
    throw new Error(`${String(word)} of ${String(apiVersion)} cannot be simulated; allowed: ${allowed}`);
  }
  const given = metadataOf(metadata);
  if (given === undefined) throw new Error(`${kind.kind}: metadata.name is missing; allowed: a name`);
  const { name } = given;
  const namespace = documentNamespace(kind, given.namespace, kind.namespaced ? flag : undefined);
  const id = `${kind.kind}(${namespace === undefined ? name : `${namespace}/${name}`})`;
  const [unknown] = unknownFields(kind, value);
  if (unknown !== undefined) throw new Error(`${id}: field is not known: ${unknown}`);
  const key = { name, ...(namespace === undefined ? {} : { namespace }) };
  const resource = kind.default({
    ...value,
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { ...given, ...key },
  });
  const errors = kind.validate(resource).map(printFieldError);
  const converted = errors.length > 0 ? { errors } : source.convert(resource, key);
  if (converted?.errors !== undefined) throw new Error(`${id}: ${converted.errors.join('; ')}`);
  if (converted === undefined || !('resource' in converted)) throw new Error(`${id}: it decides nothing`);
  const scope = source.namespaced && namespace !== undefined ? { namespace } : {};
  return { kind: source.model, name: converted.name, ...scope, resource: converted.resource };
}
