import { convertUid, type Kind, type Resource } from '@calico/api';
import { type GroupForm, isTiered, policyName } from './group-form.ts';
import { isMirrored, packMetadata, unpackMetadata } from './stored-metadata.ts';

const GROUP = 'crd.projectcalico.org';
const VERSION = 'v1';
const API_VERSION = `${GROUP}/${VERSION}`;

/** Kinds that have another name in this group. */
const NAMES: Readonly<Record<string, { readonly kind: string; readonly plural: string }>> = {
  IPAMConfiguration: { kind: 'IPAMConfig', plural: 'ipamconfigs' },
};

/** How the spec of a kind differs in this group. */
interface SpecForm {
  toStored(spec: object): object;
  fromStored(spec: object): object;
}

const SPECS: Readonly<Record<string, SpecForm>> = {
  // `deleted` is a text here.
  BlockAffinity: {
    toStored: spec => ({ ...spec, deleted: String(Reflect.get(spec, 'deleted') === true) }),
    fromStored: spec => ({ ...spec, deleted: Reflect.get(spec, 'deleted') === 'true' }),
  },
};

const kinds = new WeakMap<object, unknown>();

function storedKind<R extends Resource>(kind: Kind<R>): Kind<R> {
  const known = kinds.get(kind) as Kind<R> | undefined;
  if (known !== undefined) return known;
  const names = NAMES[kind.kind] ?? { kind: kind.kind, plural: kind.plural };
  // Inherits everything else, of which the schema is built on first use only.
  const stored: Kind<R> = Object.create(kind, {
    group: { value: GROUP },
    version: { value: VERSION },
    apiVersion: { value: API_VERSION },
    kind: { value: names.kind },
    plural: { value: names.plural },
  });
  kinds.set(kind, stored);
  return stored;
}

function withSpec<R extends Resource>(object: R, change: ((spec: object) => object) | undefined): R {
  const { spec } = object;
  return change === undefined || typeof spec !== 'object' || spec === null ? object : { ...object, spec: change(spec) };
}

/**
 * crd.projectcalico.org/v1: CustomResources behind Calico's aggregated API server. Their own metadata is that of the
 * CustomResource; what Calico's object has is in an annotation, and its uid is made from the CustomResource's.
 */
export const crdForm: GroupForm = {
  apiGroup: API_VERSION,
  storedKind,
  toStored: (kind, object, name) => ({
    ...withSpec(object, SPECS[kind.kind]?.toStored),
    apiVersion: API_VERSION,
    kind: storedKind(kind).kind,
    metadata: packMetadata(object.metadata, name, isTiered(kind)),
  }),
  fromStored: (kind, stored) => {
    const { metadata, savedName } = unpackMetadata(stored.metadata);
    if (isTiered(kind)) metadata.name = policyName(stored, savedName);
    return {
      ...withSpec(stored, SPECS[kind.kind]?.fromStored),
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata,
    };
  },
  toStoredOptions: ({ uid, ...options }) => ({ ...options, ...(uid === undefined ? {} : { uid: convertUid(uid) }) }),
  selectsLabel: isMirrored,
  selectsField: field => field === 'metadata.namespace',
};
