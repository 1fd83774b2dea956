import { type AnyResource, kinds } from '@calico/api';
import type { Admission } from '../admission.ts';
import { isJsonObject } from '../json.ts';
import { ApiError, invalid } from '../status.ts';
import { compileRules } from './cel/rules.ts';
import { DEFINITIONS, namesOf, versionSchema, versionsOf } from './definition-kind.ts';
import { hasCelRules } from './structural-schema.ts';

/** Holds a definition until its objects are deleted. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/**
 * Calico's clients speak crd.projectcalico.org wherever it is listed. This server serves projectcalico.org natively, so
 * those definitions would split one cluster's data into two.
 */
const REFUSED_GROUPS = new Set(['crd.projectcalico.org', 'projectcalico.org']);

/** What the status of a definition says: names accepted, established, and the versions that objects may be stored in. */
function establish(object: AnyResource, old: AnyResource | undefined): AnyResource {
  const before = isJsonObject(old?.status) ? old.status : {};
  const known = Array.isArray(before.storedVersions) ? before.storedVersions : [];
  const stored = versionsOf(object)
    .filter(v => v.storage === true)
    .map(v => v.name);
  const lastTransitionTime = object.metadata.creationTimestamp ?? '';
  const conditions = [
    { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found', lastTransitionTime },
    {
      type: 'Established',
      status: 'True',
      reason: 'InitialNamesAccepted',
      message: 'the kind is served',
      lastTransitionTime,
    },
  ];
  return {
    ...object,
    status: {
      ...before,
      acceptedNames: namesOf(object),
      storedVersions: [...new Set([...known, ...stored])],
      conditions: Array.isArray(before.conditions) ? before.conditions : conditions,
    },
  };
}

/** A definition is served from the write that makes it, under names that nothing else has, and goes after its objects. */
export const definitionAdmission: Admission = {
  name: 'custom-resource-definitions',
  mutate: ({ kind, operation, object, old, subresource }) => {
    if (`${kind.group}/${kind.plural}` !== DEFINITIONS || operation === 'delete') return object;
    if (subresource === 'status' || object.metadata.deletionTimestamp !== undefined) return object;
    // Mutation comes before validation: nothing has its type for sure.
    const given: unknown = object.metadata.finalizers ?? [];
    if (!Array.isArray(given)) return object;
    const finalizers = [...new Set([...given, CLEANUP_FINALIZER])];
    return establish({ ...object, metadata: { ...object.metadata, finalizers } }, old);
  },
  validate: ({ kind, operation, object, name, list, warn }) => {
    if (operation === 'delete') return;
    if (`${kind.group}/${kind.plural}` === DEFINITIONS) {
      const refuse = (field: string, message: string): never => {
        throw invalid({ group: kind.group, kind: kind.kind, name }, [
          { reason: 'FieldValueForbidden', field, message: `Forbidden: ${message}` },
        ]);
      };
      const group = String(isJsonObject(object.spec) ? object.spec.group : '');
      if (REFUSED_GROUPS.has(group)) {
        refuse(
          'spec.group',
          `this server serves Calico's kinds itself, as projectcalico.org/v3; definitions in ${group} are not taken`,
        );
      }
      const names = namesOf(object);
      const taken = kinds.some(
        k => k.served && k.group === group && (k.plural === names.plural || k.kind === names.kind),
      );
      if (taken) refuse('spec.names', 'the server serves this kind itself');
      for (const [i, version] of versionsOf(object).entries()) {
        const schema = versionSchema(version);
        if (schema === undefined || !hasCelRules(schema)) continue;
        for (const rule of compileRules(schema, `spec.versions[${i}].schema.openAPIV3Schema`).lacking) {
          warn(`${rule}; the rule is kept, and not evaluated`);
        }
      }
      for (const other of list(DEFINITIONS)) {
        const otherGroup = isJsonObject(other.object.spec) ? other.object.spec.group : '';
        if (other.name !== name && otherGroup === group && namesOf(other.object).kind === names.kind) {
          refuse('spec.names.kind', `CustomResourceDefinition "${other.name}" defines the same kind`);
        }
      }
      return;
    }
    if (operation !== 'create') return;
    const definition = list(DEFINITIONS).find(entry => entry.name === `${kind.plural}.${kind.group}`);
    if (definition?.object.metadata.deletionTimestamp === undefined) return;
    throw new ApiError(
      405,
      'MethodNotAllowed',
      'create not allowed while custom resource definition is terminating',
      {},
    );
  },
};
