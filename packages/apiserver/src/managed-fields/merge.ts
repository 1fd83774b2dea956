/** Merging an applied object into the stored one, and taking out what its applier no longer wants. Pure. */
import { isJsonObject, type JsonObject, omitKeys, setKey } from '../json.ts';
import { EMPTY, type FieldSet } from './field-set.ts';
import { fieldSchema, findItem, isAtomicMap, itemElement, itemSchema, listType } from './path-element.ts';

type SchemaNode = JsonObject | undefined;

interface Slot {
  readonly element: string | undefined;
  readonly item: unknown;
}

/** Puts applied items that are not in the list yet behind their predecessor there, the first ones before their successor. */
function insertNew(list: Slot[], applied: readonly Slot[]): void {
  const leading: Slot[] = [];
  let at = -1;
  for (const slot of applied) {
    const found = list.findIndex(other => other.element === slot.element);
    if (found >= 0) {
      if (at < 0) list.splice(found, 0, ...leading);
      at = at < 0 ? found + leading.length : found;
    } else if (at >= 0) list.splice(++at, 0, slot);
    else leading.push(slot);
  }
  if (at < 0) list.push(...leading);
}

function mergeLists(live: readonly unknown[], applied: readonly unknown[], schema: SchemaNode): unknown[] {
  const elements = applied.map(item => itemElement(schema, item));
  const wanted = new Set(elements);
  const known = new Map<string, unknown>();
  const slots: (string | undefined)[] = [];
  for (const item of live) {
    const element = itemElement(schema, item);
    if (element !== undefined && wanted.has(element)) {
      if (known.has(element)) continue;
      known.set(element, item);
    }
    slots.push(element);
  }
  const merged = new Map<string | undefined, unknown>();
  for (const [i, item] of applied.entries()) {
    const element = elements[i];
    const old = element === undefined ? undefined : known.get(element);
    merged.set(element, old === undefined ? item : mergeApplied(old, item, itemSchema(schema)));
  }
  // The applied items keep their order among themselves, the others their place.
  const others = live.filter(item => !wanted.has(itemElement(schema, item)));
  const shared = elements.filter(element => element !== undefined && known.has(element));
  const result: Slot[] = slots.map(slot => {
    if (slot === undefined || !wanted.has(slot)) return { element: undefined, item: others.shift() };
    const element = shared.shift();
    return { element, item: merged.get(element) };
  });
  insertNew(
    result,
    elements.map(element => ({ element, item: merged.get(element) })),
  );
  return result.map(entry => entry.item);
}

/** `live` with everything that `applied` says. Neither is changed. */
export function mergeApplied(live: unknown, applied: unknown, schema: SchemaNode): unknown {
  if (Array.isArray(live) && Array.isArray(applied)) {
    return listType(schema) === 'atomic' ? applied : mergeLists(live, applied, schema);
  }
  if (!isJsonObject(live) || !isJsonObject(applied) || isAtomicMap(schema)) return applied;
  const result: JsonObject = { ...live };
  for (const [key, value] of Object.entries(applied)) {
    const old = Object.hasOwn(live, key) ? live[key] : undefined;
    setKey(result, key, old === undefined ? value : mergeApplied(old, value, fieldSchema(schema, key)));
  }
  return result;
}

/**
 * `value` without the fields in `last` that are not in `owned` (what every manager owns now, the applier included). A
 * field goes with all that is below it when nobody owns any of it.
 */
export function pruneFields(value: unknown, last: FieldSet, owned: FieldSet): unknown {
  let result = value;
  for (const [element, child] of last.children) {
    const keep = owned.children.get(element);
    if (isJsonObject(result) && element.startsWith('f:')) {
      const name = element.slice(2);
      if (!Object.hasOwn(result, name)) continue;
      if (keep === undefined) {
        result = omitKeys(result, [name]);
        continue;
      }
      const copy: JsonObject = { ...result };
      setKey(copy, name, pruneFields(copy[name], child, keep));
      result = copy;
    } else if (Array.isArray(result) && !element.startsWith('f:')) {
      const at = findItem(result, element);
      if (at < 0) continue;
      if (keep === undefined && child.self) result = result.toSpliced(at, 1);
      else result = result.with(at, pruneFields(result[at], child, keep ?? EMPTY));
    }
  }
  return result;
}
