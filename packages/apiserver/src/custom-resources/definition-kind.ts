/** The kind CustomResourceDefinition. Source: Kubernetes API reference, apiextensions.k8s.io/v1. */
import {
  type AnyResource,
  ConfigMap,
  type FieldError,
  type FieldErrorCode,
  isDnsLabel,
  isDnsSubdomain,
  type Kind,
} from '@calico/api';
import { isJsonObject, type JsonObject } from '../json.ts';
import { compileRules } from './cel/rules.ts';
import { definitionSchema } from './definition-schema.ts';
import { parseJsonPath } from './json-path.ts';
import { checkStructural, hasCelRules, normalizeSchema } from './structural-schema.ts';
import { validateValue } from './validate-value.ts';

export const DEFINITIONS = 'apiextensions.k8s.io/customresourcedefinitions';

/** The resource that a definition of this name makes: `widgets.example.com` gives `example.com/widgets`. */
export function definedResource(name: string): string {
  const dot = name.indexOf('.');
  return `${name.slice(dot + 1)}/${name.slice(0, dot)}`;
}

/** The versions that a definition lists, as plain data. */
export function versionsOf(definition: AnyResource): readonly JsonObject[] {
  const versions = isJsonObject(definition.spec) ? definition.spec.versions : undefined;
  return Array.isArray(versions) ? versions.filter(isJsonObject) : [];
}

/** The openAPIV3Schema of a version. */
export function versionSchema(version: JsonObject): JsonObject | undefined {
  const schema = isJsonObject(version.schema) ? version.schema.openAPIV3Schema : undefined;
  return isJsonObject(schema) ? schema : undefined;
}

/** Names of a definition, as given. */
export function namesOf(definition: AnyResource): JsonObject {
  const names = isJsonObject(definition.spec) ? definition.spec.names : undefined;
  return isJsonObject(names) ? names : {};
}

/** What the server makes up for a definition: singular and list kind, conversion, selectors of status conditions. */
function defaultDefinition(given: AnyResource): AnyResource {
  if (!isJsonObject(given.spec) || !isJsonObject(given.spec.names)) return given;
  const { names } = given.spec;
  const kind = typeof names.kind === 'string' ? names.kind : '';
  const spec: JsonObject = {
    conversion: { strategy: 'None' },
    ...given.spec,
    names: { ...(kind === '' ? {} : { listKind: `${kind}List`, singular: kind.toLowerCase() }), ...names },
  };
  return { ...given, spec };
}

const KIND_NAME = /^[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
const COLUMN_TYPES = ['integer', 'number', 'string', 'boolean', 'date'];

class DefinitionCheck {
  readonly faults: FieldError[] = [];
  readonly #definition: AnyResource;
  readonly #spec: JsonObject;

  constructor(definition: AnyResource) {
    this.#definition = definition;
    this.#spec = isJsonObject(definition.spec) ? definition.spec : {};
  }

  #add(code: FieldErrorCode, path: string, value: unknown, message: string): void {
    this.faults.push({ code, path, value, message });
  }

  run(old: AnyResource | undefined): FieldError[] {
    this.#names();
    this.#versions();
    const { conversion, preserveUnknownFields } = this.#spec;
    if (isJsonObject(conversion) && conversion.strategy !== 'None') {
      this.#add('NotSupported', 'spec.conversion.strategy', conversion.strategy, 'supported values: "None"');
    }
    if (preserveUnknownFields === true) {
      this.#add(
        'Invalid',
        'spec.preserveUnknownFields',
        true,
        'must be false; use x-kubernetes-preserve-unknown-fields',
      );
    }
    if (old !== undefined) this.#immutable(old);
    return this.faults;
  }

  #names(): void {
    const { group } = this.#spec;
    const names = namesOf(this.#definition);
    if (typeof group !== 'string' || !isDnsSubdomain(group) || !group.includes('.')) {
      this.#add('Invalid', 'spec.group', group, 'must be a DNS name with at least one dot');
    }
    const wanted = `${names.plural}.${group}`;
    if (this.#definition.metadata.name !== wanted) {
      this.#add(
        'Invalid',
        'metadata.name',
        this.#definition.metadata.name,
        `must be spec.names.plural+"."+spec.group: ${JSON.stringify(wanted)}`,
      );
    }
    for (const field of ['plural', 'singular']) {
      const name = names[field];
      if (typeof name !== 'string' || !isDnsLabel(name))
        this.#add('Invalid', `spec.names.${field}`, name, 'must be a DNS label in lower case');
    }
    for (const field of ['kind', 'listKind']) {
      const name = names[field];
      if (typeof name !== 'string' || !KIND_NAME.test(name))
        this.#add('Invalid', `spec.names.${field}`, name, 'must be letters, digits and "-", at most 63');
    }
    if (names.kind !== undefined && names.kind === names.listKind) {
      this.#add('Invalid', 'spec.names.listKind', names.listKind, 'kind and listKind must differ');
    }
    for (const field of ['shortNames', 'categories']) {
      const list = names[field];
      for (const [i, name] of (Array.isArray(list) ? list : []).entries()) {
        if (!isDnsLabel(String(name)))
          this.#add('Invalid', `spec.names.${field}[${i}]`, name, 'must be a DNS label in lower case');
      }
    }
  }

  #versions(): void {
    const versions = versionsOf(this.#definition);
    if (versions.length === 0) this.#add('Required', 'spec.versions', undefined, 'must have at least one version');
    const stored = versions.filter(v => v.storage === true);
    if (versions.length > 0 && stored.length !== 1) {
      this.#add(
        'Invalid',
        'spec.versions',
        stored.map(v => v.name),
        'must have exactly one version marked as storage version',
      );
    }
    const seen = new Set<unknown>();
    for (const [i, version] of versions.entries()) {
      const path = `spec.versions[${i}]`;
      if (typeof version.name !== 'string' || !isDnsLabel(version.name))
        this.#add('Invalid', `${path}.name`, version.name, 'must be a DNS label');
      if (seen.has(version.name)) this.#add('Duplicate', `${path}.name`, version.name, 'every version stands once');
      seen.add(version.name);
      const schema = versionSchema(version);
      if (schema === undefined)
        this.#add('Required', `${path}.schema.openAPIV3Schema`, undefined, 'schemas are required');
      else this.#schema(schema, `${path}.schema.openAPIV3Schema`);
      this.#columns(version, path);
    }
  }

  #schema(schema: JsonObject, path: string): void {
    const faults = checkStructural(schema, path);
    this.faults.push(...(faults.length === 0 && hasCelRules(schema) ? compileRules(schema, path).faults : faults));
  }

  #columns(version: JsonObject, path: string): void {
    const columns = Array.isArray(version.additionalPrinterColumns) ? version.additionalPrinterColumns : [];
    for (const [i, column] of columns.entries()) {
      if (!isJsonObject(column)) continue;
      const at = `${path}.additionalPrinterColumns[${i}]`;
      if (!COLUMN_TYPES.includes(String(column.type))) {
        this.#add(
          'NotSupported',
          `${at}.type`,
          column.type,
          `supported values: ${COLUMN_TYPES.map(t => `"${t}"`).join(', ')}`,
        );
      }
      this.#jsonPath(column.jsonPath, `${at}.jsonPath`);
    }
    const fields = Array.isArray(version.selectableFields) ? version.selectableFields : [];
    for (const [i, field] of fields.entries()) {
      if (isJsonObject(field)) this.#jsonPath(field.jsonPath, `${path}.selectableFields[${i}].jsonPath`);
    }
    const scale = isJsonObject(version.subresources) ? version.subresources.scale : undefined;
    if (!isJsonObject(scale)) return;
    for (const field of ['specReplicasPath', 'statusReplicasPath']) {
      this.#jsonPath(scale[field], `${path}.subresources.scale.${field}`);
    }
  }

  #jsonPath(value: unknown, path: string): void {
    if (typeof value !== 'string' || !/^[.[]/.test(value) || parseJsonPath(value) === undefined) {
      this.#add('Invalid', path, value, 'must be a simple JSON path such as ".spec.replicas"');
    }
  }

  #immutable(old: AnyResource): void {
    const before = isJsonObject(old.spec) ? old.spec : {};
    const fields: [string, unknown, unknown][] = [
      ['spec.group', before.group, this.#spec.group],
      ['spec.scope', before.scope, this.#spec.scope],
      ['spec.names.kind', namesOf(old).kind, namesOf(this.#definition).kind],
      ['spec.names.plural', namesOf(old).plural, namesOf(this.#definition).plural],
    ];
    for (const [path, was, is] of fields) {
      if (was !== is) this.#add('Invalid', path, is, `cannot be changed; it is ${JSON.stringify(was)}`);
    }
  }
}

/** The faults of metadata under the rules that all kinds share, for names that are DNS subdomains. */
export function metadataFaults(object: AnyResource): FieldError[] {
  const metadata = { ...object.metadata, namespace: object.metadata.namespace ?? 'default' };
  return ConfigMap.validate({ apiVersion: ConfigMap.apiVersion, kind: ConfigMap.kind, metadata });
}

const served = normalizeSchema(definitionSchema);

/** Definitions of further kinds; this server serves what they define. */
export const CustomResourceDefinition: Kind = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  listKind: 'CustomResourceDefinitionList',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  aliases: [],
  categories: ['api-extensions'],
  namespaced: false,
  served: true,
  statusSubresource: true,
  description: 'Defines a kind of objects that the server then serves.',
  schema: served as Kind['schema'],
  columns: [
    { name: 'Name', type: 'string', format: 'name', priority: 0, description: 'Name', value: r => r.metadata.name },
    {
      name: 'Created At',
      type: 'date',
      format: '',
      priority: 0,
      description: 'When it was made',
      value: r => r.metadata.creationTimestamp ?? '',
    },
  ],
  calicoctl: undefined,
  fieldLabels: { 'metadata.name': { value: r => r.metadata.name } },
  example: () => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  }),
  default: defaultDefinition,
  validate: (object, old) => {
    const faults = [...validateValue(served, object, ''), ...metadataFaults(object)];
    return faults.length > 0 ? faults : new DefinitionCheck(object).run(old);
  },
};
