/** The kinds that a CustomResourceDefinition makes, one for each served version. */
import { type AnyResource, type Cell, type Column, type FieldLabel, type Kind, parseTime, printAge } from '@calico/api';
import { isJsonObject, type JsonObject } from '../json.ts';
import { checkRules, compileRules } from './cel/rules.ts';
import { metadataFaults, namesOf, versionSchema, versionsOf } from './definition-kind.ts';
import { metadataSchema } from './definition-schema.ts';
import { parseJsonPath } from './json-path.ts';
import { defaultAndPrune } from './prune.ts';
import { hasCelRules, normalizeSchema } from './structural-schema.ts';
import { validateValue } from './validate-value.ts';

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

function cell(values: readonly unknown[], type: string, now: number): Cell {
  const shown = values.filter(value => value !== undefined && value !== null);
  const [first] = shown;
  if (first === undefined) return null;
  if (type === 'date')
    return typeof first === 'string' && parseTime(first) !== undefined ? printAge(first, now) : '<unknown>';
  if (shown.length === 1 && (typeof first === 'number' || typeof first === 'boolean')) return first;
  return shown.map(value => (typeof value === 'string' ? value : JSON.stringify(value))).join(',');
}

const COLUMN_TYPES: Record<string, Column['type']> = {
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
  date: 'date',
};

function columnsOf(version: JsonObject): Column[] {
  const given = version.additionalPrinterColumns;
  const declared =
    Array.isArray(given) && given.length > 0
      ? given.filter(isJsonObject)
      : [{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }];
  const name: Column = {
    name: 'Name',
    type: 'string',
    format: 'name',
    priority: 0,
    description: 'Name of the object',
    value: r => r.metadata.name,
  };
  const others = declared.map((raw: JsonObject): Column => {
    const find = parseJsonPath(text(raw.jsonPath)) ?? (() => []);
    const type = text(raw.type);
    return {
      name: text(raw.name),
      type: COLUMN_TYPES[type] ?? 'string',
      format: text(raw.format),
      priority: typeof raw.priority === 'number' && raw.priority > 0 ? 1 : 0,
      description: text(raw.description),
      value: (r, now) => cell(find(r), type, now),
    };
  });
  return [name, ...others];
}

function fieldLabelsOf(version: JsonObject, namespaced: boolean): Record<string, FieldLabel> {
  const labels: Record<string, FieldLabel> = { 'metadata.name': { value: r => r.metadata.name } };
  if (namespaced) labels['metadata.namespace'] = { value: r => r.metadata.namespace ?? '' };
  const fields = Array.isArray(version.selectableFields) ? version.selectableFields.filter(isJsonObject) : [];
  for (const field of fields) {
    const path = text(field.jsonPath);
    const find = parseJsonPath(path) ?? (() => []);
    labels[path.replace(/^\./, '')] = { value: r => String(find(r)[0] ?? '') };
  }
  return labels;
}

/** The whole object's schema: the definition's, with metadata as every kind has it. */
function objectSchema(version: JsonObject): JsonObject {
  const own = normalizeSchema(versionSchema(version) ?? { type: 'object' });
  const properties = isJsonObject(own.properties) ? own.properties : {};
  const string = { type: 'string' };
  const required = ['metadata', ...texts(own.required).filter(name => name !== 'metadata')];
  return {
    ...own,
    required,
    properties: { ...properties, apiVersion: string, kind: string, metadata: metadataSchema() },
  };
}

function customKind(definition: AnyResource, version: JsonObject): Kind {
  const spec = isJsonObject(definition.spec) ? definition.spec : {};
  const names = namesOf(definition);
  const group = text(spec.group);
  const apiVersion = `${group}/${text(version.name)}`;
  const namespaced = spec.scope === 'Namespaced';
  const schema = objectSchema(version);
  const subresources = isJsonObject(version.subresources) ? version.subresources : {};
  const rules = hasCelRules(schema) ? compileRules(schema, '').tree : undefined;
  return {
    group,
    version: text(version.name),
    apiVersion,
    kind: text(names.kind),
    listKind: text(names.listKind),
    plural: text(names.plural),
    singular: text(names.singular),
    shortNames: texts(names.shortNames),
    aliases: [],
    categories: texts(names.categories),
    namespaced,
    served: true,
    statusSubresource: isJsonObject(subresources.status),
    description: text(schema.description),
    schema: schema as Kind['schema'],
    columns: columnsOf(version),
    calicoctl: undefined,
    fieldLabels: fieldLabelsOf(version, namespaced),
    example: () => ({ apiVersion, kind: text(names.kind), metadata: { name: 'example' } }),
    default: object => {
      const { metadata } = object;
      return { ...(defaultAndPrune(schema, object) as AnyResource), metadata };
    },
    validate: (object, old) => {
      const faults = [...validateValue(schema, object, ''), ...metadataFaults(object)];
      return faults.length > 0 || rules === undefined ? faults : checkRules(rules, object, old, '');
    },
  };
}

/** The kinds of a definition, the one that is stored first. */
export function customKinds(definition: AnyResource): Kind[] {
  return versionsOf(definition)
    .filter(version => version.served === true)
    .toSorted((a, b) => Number(b.storage === true) - Number(a.storage === true))
    .map(version => customKind(definition, version));
}
