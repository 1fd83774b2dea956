/** `metadata.managedFields`: who set which fields, and since when. Source: Kubernetes API reference, ManagedFieldsEntry. */
import { isJsonObject } from '../json.ts';
import { EMPTY, equalSets, type FieldSet, isEmpty, parseFieldsV1, printFieldsV1, union } from './field-set.ts';

/** Who writes: an applier owns what it applies, an updater what it changes. */
export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string | undefined;
}

/** A manager with its fields; `time` is that of the last change of the fields, RFC 3339. */
export interface ManagedEntry extends Manager {
  readonly fields: FieldSet;
  readonly time: string | undefined;
}

/** More updaters than this are merged into one, oldest first, as Kubernetes does. */
const MAX_UPDATERS = 10;
const MERGED_UPDATERS = 'ancient-changes';

const decoded = new WeakMap<object, readonly ManagedEntry[]>();

/** Whether both name the same writer. */
export function sameManager(a: Manager, b: Manager): boolean {
  return (
    a.name === b.name &&
    a.operation === b.operation &&
    a.apiVersion === b.apiVersion &&
    (a.subresource ?? '') === (b.subresource ?? '')
  );
}

function readEntry(raw: unknown): ManagedEntry | undefined {
  if (!isJsonObject(raw)) return undefined;
  const { manager = '', operation, apiVersion, subresource, time, fieldsV1, fieldsType } = raw;
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (typeof manager !== 'string' || typeof apiVersion !== 'string') return undefined;
  if (fieldsType !== undefined && fieldsType !== 'FieldsV1') return undefined;
  const fields = fieldsV1 === undefined ? EMPTY : parseFieldsV1(fieldsV1);
  if (fields === undefined) return undefined;
  return {
    name: manager,
    operation,
    apiVersion,
    subresource: typeof subresource === 'string' && subresource !== '' ? subresource : undefined,
    time: typeof time === 'string' ? time : undefined,
    fields,
  };
}

/**
 * Reads managedFields; undefined when an entry is malformed. A list with one empty object is how clients ask for a reset: it has
 * no entries.
 */
export function readManagers(raw: readonly unknown[]): readonly ManagedEntry[] | undefined {
  const known = decoded.get(raw);
  if (known !== undefined) return known;
  const [first] = raw;
  if (raw.length === 1 && isJsonObject(first) && Object.keys(first).length === 0) return [];
  const entries: ManagedEntry[] = [];
  for (const item of raw) {
    const entry = readEntry(item);
    if (entry === undefined) return undefined;
    entries.push(entry);
  }
  decoded.set(raw, entries);
  return entries;
}

/** The form in metadata: appliers first, then by time; entries without fields are left out. */
export function printManagers(entries: readonly ManagedEntry[]): unknown[] {
  const kept = entries.filter(entry => !isEmpty(entry.fields)).toSorted(byOrder);
  const raw = kept.map(entry => ({
    manager: entry.name,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    ...(entry.time === undefined ? {} : { time: entry.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: printFieldsV1(entry.fields),
    ...(entry.subresource === undefined ? {} : { subresource: entry.subresource }),
  }));
  decoded.set(raw, kept);
  return raw;
}

const order = (e: ManagedEntry): string =>
  `${e.operation}/${e.operation === 'Apply' ? '' : (e.time ?? '')}/${e.name}/${e.apiVersion}/${e.subresource ?? ''}`;

function byOrder(a: ManagedEntry, b: ManagedEntry): number {
  const [x, y] = [order(a), order(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The entries with the fields of one manager replaced; its time changes only when its fields do. */
export function withFields(
  entries: readonly ManagedEntry[],
  manager: Manager,
  fields: FieldSet,
  time: string,
): readonly ManagedEntry[] {
  const known = entries.find(entry => sameManager(entry, manager));
  if (known !== undefined && equalSets(known.fields, fields)) return entries;
  const others = entries.filter(entry => entry !== known);
  return isEmpty(fields) ? others : [...others, { ...manager, fields, time }];
}

/** The entries with at most ten updaters of the main resource: the oldest become one. */
export function capUpdaters(entries: readonly ManagedEntry[]): readonly ManagedEntry[] {
  const updaters = entries
    .filter(entry => entry.operation === 'Update' && entry.subresource === undefined)
    .toSorted(byOrder);
  const surplus = updaters.slice(0, updaters.length - MAX_UPDATERS + 1);
  const [oldest] = surplus;
  if (updaters.length <= MAX_UPDATERS || oldest === undefined) return entries;
  const fields = surplus.reduce((all, entry) => union(all, entry.fields), EMPTY);
  const merged = { ...oldest, name: MERGED_UPDATERS, fields, time: surplus.at(-1)?.time };
  return [...entries.filter(entry => !surplus.includes(entry)), merged];
}
