/**
 * JSON Patch.
 * Source: RFC 6902 (operations) and RFC 6901 (pointers).
 */
import { isJsonObject, jsonEquals, omitKeys, setKey } from '../json.ts';
import { ApiError, badRequest } from '../status.ts';

type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string };

const MAX_OPERATIONS = 10_000;

function readOperation(raw: unknown, index: number): Operation {
  const refuse = (field: string, allowed: string): never => {
    throw badRequest(`Cannot apply JSON patch: operation ${index} has a bad ${field}; allowed: ${allowed}`);
  };
  if (!isJsonObject(raw)) throw badRequest(`Cannot apply JSON patch: operation ${index} is not an object`);
  const path = typeof raw.path === 'string' ? raw.path : refuse('path', 'a JSON pointer');
  switch (raw.op) {
    case 'add':
    case 'replace':
    case 'test':
      if (!Object.hasOwn(raw, 'value')) refuse('value', 'any JSON value, but present');
      return { op: raw.op, path, value: raw.value };
    case 'remove':
      return { op: 'remove', path };
    case 'move':
    case 'copy':
      return { op: raw.op, path, from: typeof raw.from === 'string' ? raw.from : refuse('from', 'a JSON pointer') };
    default:
      return refuse('op', 'add, remove, replace, move, copy, test');
  }
}

function failed(what: string): never {
  throw new ApiError(422, 'Invalid', `Cannot apply JSON patch: ${what}`);
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw badRequest(`Cannot apply JSON patch: path is "${pointer}"; allowed: "" or "/…"`);
  return pointer
    .slice(1)
    .split('/')
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function listIndex(part: string, length: number, pointer: string): number {
  if (!/^(0|[1-9]\d*)$/.test(part) || Number(part) >= length) failed(`path "${pointer}" does not exist`);
  return Number(part);
}

function getAt(document: unknown, pointer: string): unknown {
  let at = document;
  for (const part of parsePointer(pointer)) {
    if (Array.isArray(at)) at = at[listIndex(part, at.length, pointer)];
    else if (isJsonObject(at) && Object.hasOwn(at, part)) at = at[part];
    else failed(`path "${pointer}" does not exist`);
  }
  return at;
}

/** What a test compares with: an absent member of an object is null, as kube-apiserver has it. */
function testedAt(document: unknown, pointer: string): unknown {
  const parts = parsePointer(pointer);
  const parent = getAt(document, pointer.slice(0, Math.max(0, pointer.lastIndexOf('/'))));
  const last = parts.at(-1);
  if (last !== undefined && isJsonObject(parent) && !Object.hasOwn(parent, last)) return null;
  return getAt(document, pointer);
}

type Edit = { readonly kind: 'add' | 'replace'; readonly value: unknown } | { readonly kind: 'remove' };

function editList(list: readonly unknown[], part: string, edit: Edit, pointer: string): unknown[] {
  if (edit.kind === 'add') {
    const index = part === '-' ? list.length : listIndex(part, list.length + 1, pointer);
    return list.toSpliced(index, 0, edit.value);
  }
  const index = listIndex(part, list.length, pointer);
  return edit.kind === 'replace' ? list.with(index, edit.value) : list.toSpliced(index, 1);
}

function editAt(document: unknown, parts: readonly string[], edit: Edit, pointer: string): unknown {
  const [part, ...rest] = parts;
  if (part === undefined) return edit.kind === 'remove' ? null : edit.value;
  if (Array.isArray(document)) {
    if (rest.length === 0) return editList(document, part, edit, pointer);
    const index = listIndex(part, document.length, pointer);
    return document.with(index, editAt(document[index], rest, edit, pointer));
  }
  if (!isJsonObject(document)) return failed(`path "${pointer}" does not exist`);
  const exists = Object.hasOwn(document, part);
  if (!exists && (rest.length > 0 || edit.kind !== 'add')) failed(`path "${pointer}" does not exist`);
  if (rest.length === 0 && edit.kind === 'remove') return omitKeys(document, [part]);
  const copy = { ...document };
  setKey(copy, part, editAt(document[part], rest, edit, pointer));
  return copy;
}

function applyOne(document: unknown, o: Operation): unknown {
  const change = (edit: Edit, pointer = o.path, to = document): unknown =>
    editAt(to, parsePointer(pointer), edit, pointer);
  switch (o.op) {
    case 'add':
    case 'replace':
      return change({ kind: o.op, value: o.value });
    case 'remove':
      return change({ kind: 'remove' });
    case 'copy':
      return change({ kind: 'add', value: getAt(document, o.from) });
    case 'move': {
      if (o.path.startsWith(`${o.from}/`)) failed(`cannot move "${o.from}" into itself`);
      const value = getAt(document, o.from);
      return change({ kind: 'add', value }, o.path, change({ kind: 'remove' }, o.from));
    }
    case 'test':
      if (!jsonEquals(testedAt(document, o.path), o.value)) failed(`testing value ${o.path} failed`);
      return document;
  }
}

/** Applies the operations in order, all or none. Throws ApiError: 400 for a malformed patch, 422 where it does not apply. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('Cannot apply JSON patch: the body is not a list of operations');
  if (patch.length > MAX_OPERATIONS) {
    throw badRequest(`Cannot apply JSON patch: it has ${patch.length} operations; allowed: ${MAX_OPERATIONS}`);
  }
  return patch.map(readOperation).reduce(applyOne, document);
}
