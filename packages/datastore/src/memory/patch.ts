import type { PatchType } from '../client.ts';

type Json = { [key: string]: unknown };

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7386: null removes, objects are merged, everything else replaces. Gives a new value. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return structuredClone(patch);
  const out: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = mergePatch(out[key], value);
  }
  return out;
}

/**
 * Kubernetes' strategic merge patch, of which this knows: lists with a merge key in the schema (`x-kubernetes-patch-merge-key`)
 * are merged by it, `$patch: delete` removes an element or object, `$patch: replace` replaces. All else is as in a merge patch.
 */
function strategicPatch(target: unknown, patch: unknown, schema: unknown): unknown {
  if (Array.isArray(patch)) return strategicList(target, patch, schema);
  if (!isObject(patch)) return structuredClone(patch);
  const { $patch: directive, ...fields } = patch;
  if (directive === 'replace') return structuredClone(fields);
  const out: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(fields)) {
    const inner = schemaField(schema, 'properties', key) ?? schemaField(schema, 'additionalProperties');
    if (value === null || (isObject(value) && value.$patch === 'delete')) delete out[key];
    else out[key] = strategicPatch(out[key], value, inner);
  }
  return out;
}

function strategicList(target: unknown, patch: readonly unknown[], schema: unknown): unknown[] {
  const key = schemaField(schema, 'x-kubernetes-patch-merge-key');
  if (typeof key !== 'string') return structuredClone([...patch]);
  const out: unknown[] = Array.isArray(target) ? [...target] : [];
  for (const element of patch) {
    if (!isObject(element)) continue;
    const at = out.findIndex(other => isObject(other) && other[key] === element[key]);
    if (element.$patch === 'delete') {
      if (at >= 0) out.splice(at, 1);
    } else if (at >= 0) out[at] = strategicPatch(out[at], element, schemaField(schema, 'items'));
    else out.push(strategicPatch({}, element, schemaField(schema, 'items')));
  }
  return out;
}

function schemaField(schema: unknown, ...path: readonly string[]): unknown {
  let at = schema;
  for (const step of path) at = isObject(at) ? at[step] : undefined;
  return at;
}

/** What is wrong with a patch. */
export class PatchError extends Error {}

/** RFC 6901: the steps of a JSON pointer. */
function parsePointer(text: unknown): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) {
    throw new PatchError(`path is ${JSON.stringify(text)}; allowed: a JSON pointer such as /metadata/labels/app`);
  }
  return text
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function child(parent: unknown, step: string): unknown {
  if (Array.isArray(parent)) return parent[Number(step)];
  return isObject(parent) && Object.hasOwn(parent, step) ? parent[step] : undefined;
}

function resolve(root: unknown, path: readonly string[]): unknown {
  return path.reduce(child, root);
}

function missing(path: readonly string[]): PatchError {
  return new PatchError(`path is "${path.join('/')}"; allowed: a place that exists`);
}

function addAt(root: Json, path: readonly string[], value: unknown): void {
  const parent = resolve(root, path.slice(0, -1));
  const step = path.at(-1) ?? '';
  if (Array.isArray(parent)) {
    const at = step === '-' ? parent.length : Number(step);
    if (!Number.isInteger(at) || at < 0 || at > parent.length) throw missing(path);
    parent.splice(at, 0, value);
  } else if (isObject(parent)) parent[step] = value;
  else throw missing(path);
}

function removeAt(root: Json, path: readonly string[]): unknown {
  const parent = resolve(root, path.slice(0, -1));
  const step = path.at(-1) ?? '';
  const value = child(parent, step);
  if (value === undefined) throw missing(path);
  if (Array.isArray(parent)) parent.splice(Number(step), 1);
  else if (isObject(parent)) delete parent[step];
  return value;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return typeof value === 'bigint' ? `${value}n` : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

/** Whether two JSON values are equal; the order of keys does not matter. */
export function jsonEquals(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** RFC 6902. Gives a new value. */
function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new PatchError('the patch is no list; allowed: a list of operations');
  const root: Json = { '': structuredClone(target) };
  for (const operation of patch) {
    const { op, path: pointer, from, value } = isObject(operation) ? operation : {};
    const path = ['', ...parsePointer(pointer)];
    if (op === 'test') {
      // As kube-apiserver does: what is absent equals null.
      if (!jsonEquals(resolve(root, path) ?? null, value ?? null)) throw new PatchError(`test of ${pointer} failed`);
    } else if (op === 'add') addAt(root, path, structuredClone(value));
    else if (op === 'remove') removeAt(root, path);
    else if (op === 'replace') {
      removeAt(root, path);
      addAt(root, path, structuredClone(value));
    } else if (op === 'move') addAt(root, path, removeAt(root, ['', ...parsePointer(from)]));
    else if (op === 'copy') addAt(root, path, structuredClone(resolve(root, ['', ...parsePointer(from)])));
    else throw new PatchError(`op is ${JSON.stringify(op)}; allowed: add, remove, replace, move, copy, test`);
  }
  return root[''];
}

/** The patched value, a new one. Throws PatchError. `schema` is that of the target, for strategic patches. */
export function applyPatch(type: PatchType, target: unknown, patch: unknown, schema: unknown): unknown {
  if (type === 'json') return jsonPatch(target, patch);
  if (!isObject(patch)) throw new PatchError('the patch is no object; allowed: a part of the resource');
  return type === 'merge' ? mergePatch(target, patch) : strategicPatch(target, patch, schema);
}
