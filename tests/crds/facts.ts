/** What a schema says, fact by fact, so that two schemas can be compared. */

/** One fact of one place, such as `spec.cidr` `maxLength` 48; the value is JSON. */
export type Facts = ReadonlyMap<string, string>;

type Json = { readonly [keyword: string]: unknown };

const COMPARED = [
  'type',
  'format',
  'nullable',
  'default',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
] as const;

/**
 * The facts of a CustomResourceDefinition by `<place> <fact>`. Rules in CEL count by being there, whatever their words;
 * descriptions do not count.
 */
export function factsOf(crd: unknown): Facts {
  const facts = new Map<string, string>();
  const spec = at(crd, 'spec');
  const version = at(spec, 'versions', '0');
  const tell = (fact: string, value: unknown): void => {
    if (value !== undefined) facts.set(`definition ${fact}`, JSON.stringify(value));
  };
  tell('name', at(crd, 'metadata', 'name'));
  tell('group', at(spec, 'group'));
  for (const name of ['kind', 'listKind', 'plural', 'singular', 'shortNames']) tell(name, at(spec, 'names', name));
  tell('scope', at(spec, 'scope'));
  tell(
    'versions',
    asList(at(spec, 'versions')).map(each => [at(each, 'name'), at(each, 'served'), at(each, 'storage')]),
  );
  tell('status subresource', at(version, 'subresources', 'status') !== undefined);
  tell('selectable fields', at(version, 'selectableFields') ?? []);
  tell('columns', columns(version));
  addFacts(at(version, 'schema', 'openAPIV3Schema'), '', false, facts);
  return facts;
}

/** Name, type and path of the printer columns; none at all stands for the age alone, as API servers take it. */
function columns(version: unknown): unknown[] {
  const printed = asList(at(version, 'additionalPrinterColumns'));
  if (printed.length === 0) return [['Age', 'date', '.metadata.creationTimestamp']];
  return printed.map(column => [at(column, 'name'), at(column, 'type'), at(column, 'jsonPath')]);
}

function addFacts(schema: unknown, path: string, required: boolean, facts: Map<string, string>): void {
  const node = asObject(schema);
  const place = path === '' ? 'object' : path;
  facts.set(`${place} required`, String(required));
  for (const keyword of COMPARED) {
    if (keyword === 'enum') continue;
    if (saysNothing(keyword, node[keyword])) continue;
    if (node[keyword] !== undefined) facts.set(`${place} ${keyword}`, JSON.stringify(node[keyword]));
  }
  const words = allowedWords(node);
  if (words !== undefined) facts.set(`${place} enum`, JSON.stringify(words));
  if (asList(node['x-kubernetes-validations']).length > 0) facts.set(`${place} CEL`, 'true');
  const names = asList(node.required);
  for (const [name, inner] of Object.entries(asObject(node.properties))) {
    addFacts(inner, path === '' ? name : `${path}.${name}`, names.includes(name), facts);
  }
  if (node.items !== undefined) addFacts(node.items, `${path}[]`, false, facts);
  if (node.additionalProperties !== undefined) addFacts(node.additionalProperties, `${path}{}`, false, facts);
}

/** Lists are atomic where nothing else is said, and a pattern that takes every text asks for nothing. */
function saysNothing(keyword: string, value: unknown): boolean {
  return (keyword === 'x-kubernetes-list-type' && value === 'atomic') || (keyword === 'pattern' && value === '^.*');
}

/** What every enum of a place allows, sorted. */
function allowedWords(node: Json): unknown[] | undefined {
  const lists = [node, ...asList(node.allOf).map(asObject)].map(part => part.enum).filter(list => Array.isArray(list));
  const [first, ...others] = lists;
  return first?.filter(word => others.every(list => list.includes(word))).sort();
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((part, name) => (Array.isArray(part) ? part[Number(name)] : asObject(part)[name]), value);
}

function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
