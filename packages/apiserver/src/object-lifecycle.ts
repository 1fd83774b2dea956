/** Metadata that the server, not the client, decides about, through the life of an object. Pure. */
import type { AnyResource, Kind, ObjectMeta } from '@calico/api';
import { isJsonObject, jsonEquals, omitKeys } from './json.ts';
import { badRequest, invalid } from './status.ts';

/** What only the server knows when an object is made. */
export interface Birth {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** RFC 3339, whole seconds. */
  readonly time: string;
}

/** Kinds whose status may come with the object: a kubelet registers its node complete. */
const STATUS_AT_CREATE = new Set(['/Node']);
/** Kinds without spec generations in Kubernetes' API. */
const NO_GENERATION = new Set(['', 'coordination.k8s.io']);

/** RFC 3339 in whole seconds, as Kubernetes prints times. */
export function printTime(wallTime: number): string {
  return `${new Date(wallTime).toISOString().slice(0, 19)}Z`;
}

const hasGeneration = (kind: Kind, object: AnyResource): boolean =>
  object.spec !== undefined && !NO_GENERATION.has(kind.group);

/** The object as it is first stored: no status of the client's making, fresh identity. */
export function born(kind: Kind, object: AnyResource, birth: Birth): AnyResource {
  const keepsStatus = !kind.statusSubresource || STATUS_AT_CREATE.has(`${kind.group}/${kind.kind}`);
  const { status, ...rest } = object;
  const metadata: ObjectMeta = {
    ...clientMetadata(object.metadata),
    name: birth.name,
    ...(birth.namespace === '' ? {} : { namespace: birth.namespace }),
    uid: birth.uid,
    creationTimestamp: birth.time,
    ...(hasGeneration(kind, object) ? { generation: 1 } : {}),
  };
  return { ...rest, metadata, ...(keepsStatus && status !== undefined ? { status } : {}) };
}

/** Metadata without what the server sets. */
function clientMetadata(metadata: ObjectMeta): ObjectMeta {
  const {
    uid: _uid,
    resourceVersion: _resourceVersion,
    generation: _generation,
    creationTimestamp: _creation,
    deletionTimestamp: _deletion,
    deletionGracePeriodSeconds: _grace,
    managedFields: _managed,
    selfLink: _link,
    ...rest
  } = metadata;
  return rest;
}

/** Metadata of the server's making, carried from the stored object. */
function serverMetadata(metadata: ObjectMeta): Partial<ObjectMeta> {
  const { uid, generation, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(generation === undefined ? {} : { generation }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
  };
}

/**
 * The object that an update asks for, given the stored one: an update of the object leaves the status alone, one of the
 * status leaves everything else alone (for Kubernetes' own kinds but labels, annotations and finalizers).
 */
export function updated(
  kind: Kind,
  old: AnyResource,
  wanted: AnyResource,
  subresource: string | undefined,
): AnyResource {
  const metadata: ObjectMeta = {
    ...clientMetadata(wanted.metadata),
    ...serverMetadata(old.metadata),
    name: old.metadata.name,
    ...(old.metadata.namespace === undefined ? {} : { namespace: old.metadata.namespace }),
  };
  if (subresource === 'status') {
    const { status: _old, ...rest } = old;
    return {
      ...rest,
      metadata: kind.group === 'projectcalico.org' ? old.metadata : metadata,
      ...(wanted.status === undefined ? {} : { status: wanted.status }),
    };
  }
  if (!kind.statusSubresource) return { ...wanted, metadata };
  const { status: _wanted, ...rest } = wanted;
  return { ...rest, metadata, ...(old.status === undefined ? {} : { status: old.status }) };
}

const desiredState = (object: AnyResource): unknown =>
  omitKeys({ ...object }, ['metadata', 'status', 'apiVersion', 'kind']);

/** The object with its generation raised if what is desired differs from the stored object. */
export function withGeneration(kind: Kind, old: AnyResource, now: AnyResource): AnyResource {
  if (!hasGeneration(kind, now) || jsonEquals(desiredState(old), desiredState(now))) return now;
  return { ...now, metadata: { ...now.metadata, generation: (old.metadata.generation ?? 0) + 1 } };
}

/** Whether two versions differ in nothing but their resourceVersion. */
export function sameObject(a: AnyResource, b: AnyResource): boolean {
  return (
    jsonEquals(omitKeys({ ...a.metadata }, ['resourceVersion']), omitKeys({ ...b.metadata }, ['resourceVersion'])) &&
    jsonEquals(omitKeys({ ...a }, ['metadata']), omitKeys({ ...b }, ['metadata']))
  );
}

/** Whether nothing holds a deleted object back any more. */
export function isFinished(object: AnyResource): boolean {
  if (object.metadata.deletionTimestamp === undefined) return false;
  if ((object.metadata.finalizers ?? []).length > 0) return false;
  if ((object.metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  const held = isJsonObject(object.spec) ? object.spec.finalizers : undefined;
  return !(object.kind === 'Namespace' && Array.isArray(held) && held.length > 0);
}

/** Throws a 422 ApiError when an update adds a finalizer to an object that is being deleted. */
export function checkFinalizers(kind: Kind, old: AnyResource, now: AnyResource): void {
  if (old.metadata.deletionTimestamp === undefined) return;
  const added = (now.metadata.finalizers ?? []).filter(f => !(old.metadata.finalizers ?? []).includes(f));
  if (added.length === 0) return;
  throw invalid({ group: kind.group, kind: kind.kind, name: old.metadata.name }, [
    {
      reason: 'FieldValueForbidden',
      field: 'metadata.finalizers',
      message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
    },
  ]);
}

/**
 * Turns a decoded body into an object of the kind that the path names, filling in apiVersion, kind and namespace where
 * they are absent. Throws a 400 ApiError where they contradict the path.
 */
export function asObject(kind: Kind, value: unknown, namespace: string, name: string | undefined): AnyResource {
  if (!isJsonObject(value)) throw badRequest(`the body must be a JSON object of kind ${kind.kind}`);
  for (const [field, want] of [
    ['apiVersion', kind.apiVersion],
    ['kind', kind.kind],
  ] as const) {
    if (value[field] !== undefined && value[field] !== want) {
      throw badRequest(
        `the ${field} in the data (${JSON.stringify(value[field])}) does not match the expected ${field} (${want})`,
      );
    }
  }
  const { metadata = {} } = value;
  if (!isJsonObject(metadata)) throw badRequest('metadata must be a JSON object');
  for (const field of ['name', 'generateName', 'namespace', 'uid', 'resourceVersion']) {
    if (metadata[field] !== undefined && metadata[field] !== null && typeof metadata[field] !== 'string') {
      throw badRequest(`metadata.${field} must be a string`);
    }
  }
  if (name !== undefined && typeof metadata.name === 'string' && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (typeof metadata.namespace === 'string' && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${metadata.namespace} and ${namespace === '' ? 'none' : namespace})`,
    );
  }
  const own = {
    ...omitKeys(metadata, ['namespace']),
    name: name ?? (typeof metadata.name === 'string' ? metadata.name : ''),
    ...(namespace === '' ? {} : { namespace }),
  };
  return { ...value, apiVersion: kind.apiVersion, kind: kind.kind, metadata: own };
}
