import type { Kind } from './kind.ts';
import type { Resource } from './resource.ts';
import { allowedWords } from './schema/allowed.ts';
import { isObject, type SchemaNode } from './schema/node.ts';

/** One field of a kind, for people to read. */
export interface FieldRow {
  /** `spec.ingress[].action`; `{}` stands for any key of a map. */
  readonly path: string;
  /** `string`, `list of integer`, `map to string`, or `as spec.ingress[]` where that was told already. */
  readonly type: string;
  readonly required: boolean;
  /** JSON; undefined if there is none. */
  readonly default: string | undefined;
  /** What it may be besides the type; '' if anything goes. */
  readonly allowed: string;
  readonly description: string;
}

/** A rule that several fields must keep together. */
export interface RuleRow {
  /** Where it holds; '' is the whole object. */
  readonly path: string;
  readonly message: string;
}

/** Every field of spec and status, parents before their parts, and the rules between fields, from the kind's schema. */
export function fieldRows<R extends Resource>(
  kind: Kind<R>,
): { readonly fields: FieldRow[]; readonly rules: RuleRow[] } {
  const rows = { fields: [] as FieldRow[], rules: [] as RuleRow[] };
  const root: SchemaNode = kind.schema;
  addRules(root, '', rows.rules);
  const told = new Map<SchemaNode, string>();
  for (const part of ['spec', 'status']) {
    const node = root.properties?.[part];
    if (node === undefined) continue;
    addRules(node, part, rows.rules);
    addParts(node, part, rows, told);
  }
  return rows;
}

function addParts(
  node: SchemaNode,
  path: string,
  rows: { readonly fields: FieldRow[]; readonly rules: RuleRow[] },
  told: Map<SchemaNode, string>,
): void {
  for (const name of Object.keys(node.properties ?? {}).sort()) {
    const field = node.properties?.[name];
    if (field === undefined) continue;
    const at = `${path}.${name}`;
    const { inner, suffix } = innermost(field);
    const place = `${at}${suffix}`;
    const before = inner.properties === undefined ? undefined : told.get(inner);
    rows.fields.push({
      path: at,
      type: before === undefined ? typeName(field) : typeName(field).replace('object', `object as ${before}`),
      required: node.required?.includes(name) ?? false,
      default: field.default === undefined ? undefined : JSON.stringify(field.default),
      allowed: [allowedWords(field), inner === field ? '' : each(allowedWords(inner))]
        .filter(part => part !== '')
        .join('; '),
      description: [descriptionOf(field), inner === field ? '' : descriptionOf(inner)]
        .filter(part => part !== '')
        .join(' '),
    });
    if (before !== undefined) continue;
    addRules(field, at, rows.rules);
    if (inner !== field) addRules(inner, place, rows.rules);
    if (inner.properties === undefined) continue;
    told.set(inner, place);
    addParts(inner, place, rows, told);
  }
}

/** What a list of lists or map of maps is made of in the end, and how the path goes there. */
function innermost(node: SchemaNode): { readonly inner: SchemaNode; readonly suffix: string } {
  const part = node.items ?? node.additionalProperties;
  if (part === undefined) return { inner: node, suffix: '' };
  const { inner, suffix } = innermost(part);
  return { inner, suffix: `${node.items === undefined ? '{}' : '[]'}${suffix}` };
}

function typeName(node: SchemaNode): string {
  if (node['x-kubernetes-int-or-string'] === true) return 'integer or string';
  if (node.items !== undefined) return `list of ${typeName(node.items)}`;
  if (node.additionalProperties !== undefined) return `map to ${typeName(node.additionalProperties)}`;
  return node.type ?? 'anything';
}

function each(words: string): string {
  return words === '' ? '' : `each ${words}`;
}

function descriptionOf(node: SchemaNode): string {
  return node.description ?? '';
}

function addRules(node: SchemaNode, path: string, rules: RuleRow[]): void {
  for (const rule of node['x-kubernetes-validations'] ?? []) {
    if (isObject(rule)) rules.push({ path, message: String(rule.message) });
  }
}
