/**
 * Field ownership through the life of an object: what an update makes its writer's own, and server-side apply.
 * Source: Kubernetes documentation, "Server-Side Apply".
 */
import { type AnyResource, type Kind, parseJson } from '@calico/api';
import { isJsonObject, type JsonObject } from '../json.ts';
import { ApiError, type StatusCause } from '../status.ts';
import { difference, EMPTY, type FieldSet, intersection, isEmpty, printPaths, union } from './field-set.ts';
import {
  capUpdaters,
  type ManagedEntry,
  type Manager,
  printManagers,
  readManagers,
  sameManager,
  withFields,
} from './managers.ts';
import { mergeApplied, pruneFields } from './merge.ts';
import { checkListKeys, compareFields, fieldsOf, ownable, withoutNulls } from './object-fields.ts';

/** The manager of fields that an object had before anybody's were recorded. */
const BEFORE_FIRST_APPLY = 'before-first-apply';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const KUBECTL = 'kubectl';

const schemaOf = (kind: Kind): JsonObject | undefined => (isJsonObject(kind.schema) ? kind.schema : undefined);

/** What ownership is recorded with. */
export interface Recording {
  readonly kind: Kind;
  readonly manager: Manager;
  /** RFC 3339. */
  readonly time: string;
}

function entriesOf(object: AnyResource | undefined): readonly ManagedEntry[] {
  const raw = object?.metadata.managedFields;
  return raw === undefined ? [] : (readManagers(raw) ?? []);
}

function without(entries: readonly ManagedEntry[], fields: FieldSet, but?: Manager): readonly ManagedEntry[] {
  if (isEmpty(fields)) return entries;
  return entries.map(entry => {
    if (but !== undefined && sameManager(entry, but)) return entry;
    const left = difference(entry.fields, fields);
    return left === entry.fields ? entry : { ...entry, fields: left };
  });
}

function withManagers(object: AnyResource, entries: readonly ManagedEntry[]): AnyResource {
  const { managedFields: _old, ...metadata } = object.metadata;
  const raw = printManagers(entries);
  return { ...object, metadata: raw.length === 0 ? metadata : { ...metadata, managedFields: raw } };
}

/**
 * The object with its managedFields after a create or update. `given` is what the client sent as managedFields: absent
 * keeps what is stored, an empty list or `[{}]` forgets it, anything readable replaces it.
 */
export function recordUpdate(
  old: AnyResource | undefined,
  now: AnyResource,
  given: readonly unknown[] | undefined,
  { kind, manager, time }: Recording,
): AnyResource {
  const before = (given === undefined ? undefined : readManagers(given)) ?? entriesOf(old);
  const asked = given !== undefined && given.length <= 1 && before.length === 0;
  // Both have metadata, so that nobody owns it as such.
  const after = { metadata: {}, ...ownable(now, true) };
  const start = old === undefined ? emptied(after) : { metadata: {}, ...ownable(old, true) };
  const { changed, removed } = compareFields(start, after, schemaOf(kind));
  if (old !== undefined && (asked || (isEmpty(changed) && isEmpty(removed)))) return withManagers(now, before);
  const others = without(without(before, changed, manager), removed);
  const own = others.find(entry => sameManager(entry, manager))?.fields ?? EMPTY;
  return withManagers(now, capUpdaters(withFields(others, manager, union(own, changed), time)));
}

/** The object's own fields without content. */
function emptied(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).flatMap(([key, value]) => (isJsonObject(value) ? [[key, {}]] : [])));
}

interface Conflict {
  readonly owner: ManagedEntry;
  readonly fields: FieldSet;
}

function describeOwner(owner: ManagedEntry): string {
  const through = owner.subresource === undefined ? '' : ` with subresource "${owner.subresource}"`;
  const name = `${JSON.stringify(owner.name)}${through}`;
  if (owner.operation === 'Apply') return name;
  return `${name} using ${owner.apiVersion}${owner.time === undefined ? '' : ` at ${owner.time}`}`;
}

/** 409 with one cause per field, in the words that kubectl prints. */
function applyConflict(conflicts: readonly Conflict[]): ApiError {
  const causes: StatusCause[] = conflicts.flatMap(({ owner, fields }) =>
    printPaths(fields).map(field => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${describeOwner(owner)}`,
      field,
    })),
  );
  const [only] = causes;
  const text =
    causes.length === 1 && only !== undefined
      ? `1 conflict: ${only.message}: ${only.field}`
      : `${causes.length} conflicts: ${conflicts
          .map(({ owner, fields }) =>
            [
              `conflicts with ${describeOwner(owner)}:`,
              ...printPaths(fields)
                .toSorted()
                .map(path => `- ${path}`),
            ].join('\n'),
          )
          .join('\n')}`;
  return new ApiError(409, 'Conflict', `Apply failed with ${text}`, { causes });
}

/** What kubectl applied from the client's side: it may take over its own fields without force. */
function lastApplied(live: AnyResource, schema: JsonObject | undefined): FieldSet {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return EMPTY;
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? fieldsOf(withoutNulls(value), schema) : EMPTY;
  } catch {
    return EMPTY;
  }
}

/** An object after an apply, and the managedFields to be stored with it. */
export interface Applied {
  readonly object: AnyResource;
  readonly managers: readonly ManagedEntry[];
}

/**
 * Server-side apply of `config` on `live`: merges it, takes out what this manager applied before and nobody wants any
 * more, and moves ownership. Throws ApiError: 409 when others own what changes (unless `force`), 400 for lists without keys.
 */
export function applyConfiguration(
  live: AnyResource,
  config: AnyResource,
  force: boolean,
  { kind, manager, time }: Recording,
): Applied {
  const schema = schemaOf(kind);
  const ownStatus = manager.subresource === 'status';
  const wanted = withoutNulls(ownable(config, ownStatus || !kind.statusSubresource));
  const applied: JsonObject = isJsonObject(wanted) ? wanted : {};
  const said: JsonObject = ownStatus ? (applied.status === undefined ? {} : { status: applied.status }) : applied;
  checkListKeys(said, schema);
  const liveFields = ownable(live, true);
  const fields = fieldsOf(said, schema);
  const before = initialManagers(live, liveFields, schema, { kind, manager, time });
  const last = before.find(entry => sameManager(entry, manager))?.fields ?? EMPTY;
  const claimed = withFields(before, manager, isEmpty(fields) || fields.self ? EMPTY : fields, time);
  const owned = claimed.reduce((all, entry) => union(all, entry.fields), EMPTY);
  const merged = pruneFields(mergeApplied(liveFields, said, schema), last, owned);
  const { changed, removed } = compareFields(liveFields, merged, schema);
  const conflicts: Conflict[] = [];
  for (const owner of claimed) {
    if (sameManager(owner, manager)) continue;
    const both = intersection(owner.fields, changed);
    if (!isEmpty(both)) conflicts.push({ owner, fields: both });
  }
  const tolerated = manager.name === KUBECTL && conflicts.length > 0 ? lastApplied(live, schema) : EMPTY;
  const real = conflicts.filter(({ fields: contested }) => !isEmpty(difference(contested, tolerated)));
  if (real.length > 0 && !force) throw applyConflict(real);
  const managers = without(without(claimed, changed, manager), removed);
  const mergedObject = isJsonObject(merged) ? merged : {};
  const metadata = isJsonObject(mergedObject.metadata) ? mergedObject.metadata : {};
  const { apiVersion, kind: kindName } = live;
  return {
    object: { ...mergedObject, apiVersion, kind: kindName, metadata: { ...identity(live), ...metadata } },
    managers,
  };
}

function initialManagers(
  live: AnyResource,
  liveFields: JsonObject,
  schema: JsonObject | undefined,
  { kind, time }: Recording,
): readonly ManagedEntry[] {
  const known = entriesOf(live);
  if (known.length > 0 || live.metadata.uid === undefined) return known;
  const first: Manager = {
    name: BEFORE_FIRST_APPLY,
    operation: 'Update',
    apiVersion: kind.apiVersion,
    subresource: undefined,
  };
  return withFields([], first, compareFields({}, liveFields, schema).changed, time);
}

function identity(live: AnyResource): AnyResource['metadata'] {
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, generateName: _g, ...rest } = live.metadata;
  return rest;
}

/** The object with these managers as its managedFields. */
export function recordApply(now: AnyResource, managers: readonly ManagedEntry[]): AnyResource {
  return withManagers(now, managers);
}
