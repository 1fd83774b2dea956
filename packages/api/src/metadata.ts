import type { FieldErrors } from './field-error.ts';
import { isDnsLabel, isDnsSubdomain, isLabelValue, isNetworkName, isQualifiedName, isServiceName } from './names.ts';
import type { ObjectMeta } from './resource.ts';
import {
  DUPLICATES,
  flag,
  integer,
  lazy,
  list,
  listMap,
  mergedBy,
  object,
  open,
  set,
  text,
  textMap,
  time,
} from './schema/build.ts';

/** What a kind asks of its names; a function gives what is allowed, or undefined if the name is good. */
export type NameRule =
  | 'subdomain'
  | 'label'
  | 'service'
  | 'network'
  | ((name: string, r: ObjectMeta) => string | undefined);

const ANNOTATIONS_LIMIT = 256 * 1024;

/** The schema of metadata, the same for every kind. */
export const metadataSchema = lazy(() =>
  object(
    {},
    {
      name: text({ description: 'Unique within the kind and namespace.' }),
      generateName: text({ description: 'A prefix for a name that the server makes.' }),
      namespace: text({ description: 'The namespace that the object lives in.' }),
      uid: text({ description: 'Made by the server, never used again.' }),
      resourceVersion: text({ description: 'Changes with every write; compared on update.' }),
      generation: integer({ format: 'int64', description: 'Changes with the desired state.' }),
      creationTimestamp: time(),
      deletionTimestamp: time(),
      deletionGracePeriodSeconds: integer({ format: 'int64' }),
      labels: textMap({ description: 'What selectors look at.' }),
      annotations: textMap({ description: 'Notes that selectors do not look at.' }),
      finalizers: set(text(), {
        'x-kubernetes-patch-strategy': 'merge',
        ...DUPLICATES,
        description: 'Who must be done before the object goes.',
      }),
      ownerReferences: listMap(
        object(
          { apiVersion: text(), kind: text(), name: text(), uid: text() },
          { controller: flag(), blockOwnerDeletion: flag() },
        ),
        ['uid'],
        { ...mergedBy('uid'), description: 'Objects that this one goes with.' },
      ),
      managedFields: list(open(), { description: 'Who set which fields.' }),
      selfLink: text({ description: 'No longer used.' }),
    },
    { description: 'Standard metadata of the object.' },
  ),
);

const NAME_CHECKS = {
  subdomain: isDnsSubdomain,
  label: isDnsLabel,
  service: isServiceName,
  network: isNetworkName,
};
const NAME_ALLOWED = {
  subdomain:
    'lower-case letters, digits, "-" and ".", starting and ending with a letter or digit, at most 253 characters',
  label: 'lower-case letters, digits and "-", starting and ending with a letter or digit, at most 63 characters',
  service:
    'lower-case letters, digits and "-", starting with a letter, ending with a letter or digit, at most 63 characters',
  network:
    'lower-case letters, digits, "-", "_" and ".", starting and ending with a letter or digit, at most 253 characters',
};

/** Adds the faults of metadata: name, namespace, labels, annotations, finalizers, and what an update may not change. */
export function validateMetadata(
  metadata: ObjectMeta,
  rule: { readonly namespaced: boolean; readonly nameRule: NameRule },
  errors: FieldErrors,
  old: ObjectMeta | undefined,
): void {
  validateName(metadata, rule.nameRule, errors);
  if (rule.namespaced) {
    const { namespace } = metadata;
    if (namespace === undefined || namespace === '')
      errors.required('metadata.namespace', 'objects of this kind live in a namespace');
    else if (!isDnsLabel(namespace)) errors.invalid('metadata.namespace', namespace, `must be ${NAME_ALLOWED.label}`);
  } else if (metadata.namespace !== undefined && metadata.namespace !== '') {
    errors.forbidden('metadata.namespace', metadata.namespace, 'objects of this kind live in no namespace');
  }
  validateLabels(metadata.labels ?? {}, 'metadata.labels', errors);
  validateAnnotations(metadata.annotations ?? {}, errors);
  for (const [i, finalizer] of (metadata.finalizers ?? []).entries()) {
    if (!isQualifiedName(finalizer))
      errors.invalid(`metadata.finalizers[${i}]`, finalizer, 'must be a qualified name such as "example.com/cleanup"');
  }
  if (old === undefined) return;
  for (const field of ['name', 'namespace', 'uid'] as const) {
    const now = metadata[field];
    if (now !== undefined && old[field] !== undefined && now !== old[field]) {
      errors.invalid(`metadata.${field}`, now, `cannot be changed; it is ${JSON.stringify(old[field])}`);
    }
  }
}

function validateName(metadata: ObjectMeta, rule: NameRule, errors: FieldErrors): void {
  const { name, generateName } = metadata;
  if (name === undefined || name === '') {
    if (generateName === undefined || generateName === '')
      errors.required('metadata.name', 'name or generateName is required');
    return;
  }
  if (typeof rule === 'function') {
    const allowed = rule(name, metadata);
    if (allowed !== undefined) errors.invalid('metadata.name', name, allowed);
  } else if (!NAME_CHECKS[rule](name)) {
    errors.invalid('metadata.name', name, `must be ${NAME_ALLOWED[rule]}`);
  }
}

/** Adds the faults of a map of labels that stands at `path`. */
export function validateLabels(labels: { readonly [key: string]: string }, path: string, errors: FieldErrors): void {
  for (const [key, value] of Object.entries(labels)) {
    if (!isQualifiedName(key)) {
      errors.invalid(
        path,
        key,
        'a label key must be a name of letters, digits, "-", "_", "." (at most 63), after an optional DNS prefix and "/"',
      );
    }
    if (!isLabelValue(value)) {
      errors.invalid(
        `${path}[${key}]`,
        value,
        'must be empty or letters, digits, "-", "_", ".", starting and ending with a letter or digit, at most 63 characters',
      );
    }
  }
}

function validateAnnotations(annotations: { readonly [key: string]: string }, errors: FieldErrors): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    size += key.length + value.length;
    if (!isQualifiedName(key.toLowerCase())) {
      errors.invalid(
        'metadata.annotations',
        key,
        'an annotation key must be a name of letters, digits, "-", "_", "." (at most 63), after an optional DNS prefix and "/"',
      );
    }
  }
  if (size > ANNOTATIONS_LIMIT) {
    errors.add(
      'TooLong',
      'metadata.annotations',
      size,
      `all annotations together may have at most ${ANNOTATIONS_LIMIT} characters`,
    );
  }
}
