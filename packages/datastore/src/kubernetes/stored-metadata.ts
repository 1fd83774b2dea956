import { convertUid, type ObjectMeta, type OwnerReference, parseJson, printJson } from '@calico/api';

/** The annotation of a CustomResource of crd.projectcalico.org/v1 that holds the metadata of Calico's object. */
export const METADATA_ANNOTATION = 'projectcalico.org/metadata';

const NATIVE = 'projectcalico.org/v3';
const CRD = 'crd.projectcalico.org/v1';
/** Labels and annotations whose key has one of these in it stand in the CustomResource's own metadata too. */
const OWN_PREFIXES = ['projectcalico.org/', 'operator.tigera.io/'];

/** Whether labels and annotations of this key are in the CustomResource's own metadata, where the server can select by them. */
export function isMirrored(key: string): boolean {
  return OWN_PREFIXES.some(prefix => key.includes(prefix));
}

function mirrored(map: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).filter(([key]) => isMirrored(key)));
}

function owners(
  references: readonly OwnerReference[] | undefined,
  from: string,
  to: string,
): { ownerReferences?: OwnerReference[] } {
  if (references === undefined) return {};
  const ownerReferences = references.map(owner =>
    owner.apiVersion === from ? { ...owner, apiVersion: to, uid: convertUid(owner.uid) } : owner,
  );
  return { ownerReferences };
}

function filled(map: Record<string, string>, name: 'labels' | 'annotations'): Pick<ObjectMeta, typeof name> {
  return Object.keys(map).length === 0 ? {} : { [name]: map };
}

/**
 * The metadata of the CustomResource for an object: what the API server must know, and an annotation with everything else.
 * `name` is the CustomResource's; `keepsName` puts the object's own into the annotation, as policies have it.
 */
export function packMetadata(metadata: ObjectMeta, name: string, keepsName: boolean): ObjectMeta {
  const { namespace, resourceVersion, uid, generation: _, managedFields: __, name: own, ...rest } = metadata;
  const owned = owners(rest.ownerReferences, NATIVE, CRD);
  const saved = { ...rest, ...owned, ...(keepsName && own ? { name: own } : {}) };
  return {
    name,
    ...(rest.generateName === undefined ? {} : { generateName: rest.generateName }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(uid === undefined ? {} : { uid: convertUid(uid) }),
    ...owned,
    ...filled(mirrored(rest.labels), 'labels'),
    annotations: { ...mirrored(rest.annotations), [METADATA_ANNOTATION]: printJson(saved) },
  };
}

/** What an annotation holds; undefined when there is none, or it is no object in JSON. */
function savedMetadata(text: string | undefined): Partial<ObjectMeta> | undefined {
  if (text === undefined) return undefined;
  try {
    const value = parseJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    // A Go program writes "creationTimestamp": null for none.
    return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
  } catch {
    return undefined;
  }
}

/**
 * The metadata of Calico's object that a CustomResource holds, and the name that its annotation gives, if any. Labels and
 * annotations of both are merged, those of the annotation win. Without an annotation the CustomResource's own is taken.
 */
export function unpackMetadata(stored: ObjectMeta): { metadata: ObjectMeta; savedName: string | undefined } {
  const { managedFields: _, uid, labels, annotations = {}, ...own } = stored;
  const { [METADATA_ANNOTATION]: text, ...otherAnnotations } = annotations;
  const saved = savedMetadata(text);
  const metadata: ObjectMeta = {
    ...(saved === undefined ? own : { ...pick(own, FALLBACKS), ...drop(saved, SERVERS), ...pick(own, SERVERS) }),
    name: own.name,
    ...(uid === undefined ? {} : { uid: convertUid(uid) }),
    ...owners(saved?.ownerReferences ?? own.ownerReferences, CRD, NATIVE),
  };
  delete metadata.labels;
  delete metadata.annotations;
  Object.assign(metadata, filled({ ...labels, ...saved?.labels }, 'labels'));
  Object.assign(metadata, filled({ ...otherAnnotations, ...saved?.annotations }, 'annotations'));
  return { metadata, savedName: saved?.name };
}

type Field = keyof ObjectMeta;
/** What only the server knows, whatever an annotation says. */
const SERVERS: readonly Field[] = ['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'deletionTimestamp'];
/** What is taken of the CustomResource where the annotation does not say it. */
const FALLBACKS: readonly Field[] = ['creationTimestamp'];

function pick(metadata: ObjectMeta, fields: readonly Field[]): Partial<ObjectMeta> {
  return Object.fromEntries(
    fields.filter(field => metadata[field] !== undefined).map(field => [field, metadata[field]]),
  );
}

function drop(metadata: Partial<ObjectMeta>, fields: readonly Field[]): Partial<ObjectMeta> {
  return Object.fromEntries(Object.entries(metadata).filter(([field]) => !fields.some(name => name === field)));
}
