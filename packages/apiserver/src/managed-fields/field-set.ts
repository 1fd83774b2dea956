/**
 * Sets of fields, as a tree of path elements. Immutable.
 * Source: Kubernetes API reference, meta/v1 FieldsV1 (`{"f:spec":{"f:replicas":{}}}`; `.` is the node itself).
 */
import { isJsonObject, type JsonObject } from '../json.ts';
import { isElement, printElement } from './path-element.ts';

/** A node of the tree: whether its own path is in the set, and what is below. */
export interface FieldSet {
  readonly self: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

/** The set without fields. */
export const EMPTY: FieldSet = { self: false, children: new Map() };
/** The set of just the path at which it stands. */
export const LEAF: FieldSet = { self: true, children: new Map() };

const MAX_DEPTH = 128;

/** Whether nothing is in the set. */
export const isEmpty = (set: FieldSet): boolean => !set.self && set.children.size === 0;

function node(self: boolean, children: ReadonlyMap<string, FieldSet>): FieldSet {
  return children.size === 0 ? (self ? LEAF : EMPTY) : { self, children };
}

/** A set of the given parts, empty ones left out. */
export function setOf(self: boolean, parts: Iterable<readonly [string, FieldSet]>): FieldSet {
  return node(self, new Map([...parts].filter(([, child]) => !isEmpty(child))));
}

/** What is in either. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a) || a === b) return b;
  if (isEmpty(b)) return a;
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const known = children.get(element);
    children.set(element, known === undefined ? child : union(known, child));
  }
  return node(a.self || b.self, children);
}

/** What is in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const parts: [string, FieldSet][] = [];
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other !== undefined) parts.push([element, intersection(child, other)]);
  }
  return setOf(a.self && b.self, parts);
}

/** What is in `a` and not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a) || isEmpty(b)) return a;
  const parts: [string, FieldSet][] = [];
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    parts.push([element, other === undefined ? child : difference(child, other)]);
  }
  return setOf(a.self && !b.self, parts);
}

/** Whether both hold the same paths. */
export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  if (a.self !== b.self || a.children.size !== b.children.size) return false;
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other === undefined || !equalSets(child, other)) return false;
  }
  return true;
}

/** Every path of the set as text: `.spec.containers[name="web"].image`. */
export function printPaths(set: FieldSet, prefix = ''): string[] {
  const paths = set.self ? [prefix] : [];
  for (const [element, child] of set.children) paths.push(...printPaths(child, prefix + printElement(element)));
  return paths;
}

/** The FieldsV1 form. */
export function printFieldsV1(set: FieldSet): JsonObject {
  const fields: JsonObject = {};
  if (set.self && set.children.size > 0) fields['.'] = {};
  for (const element of [...set.children.keys()].toSorted()) {
    fields[element] = printFieldsV1(set.children.get(element) ?? EMPTY);
  }
  return fields;
}

function readNode(value: unknown, depth: number): FieldSet | undefined {
  if (!isJsonObject(value) || depth > MAX_DEPTH) return undefined;
  const names = Object.keys(value);
  if (names.length === 0) return LEAF;
  const children = new Map<string, FieldSet>();
  for (const name of names) {
    if (name === '.') continue;
    const child = isElement(name) ? readNode(value[name], depth + 1) : undefined;
    if (child === undefined) return undefined;
    children.set(name, child);
  }
  return node(Object.hasOwn(value, '.'), children);
}

/** Reads the FieldsV1 form; undefined for what is none. */
export function parseFieldsV1(value: unknown): FieldSet | undefined {
  const set = readNode(value, 0);
  return set === LEAF ? EMPTY : set;
}
