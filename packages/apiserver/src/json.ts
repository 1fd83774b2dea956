/** A JSON object, or what an object of the API is while its kind is not looked at. */
export type JsonObject = { [key: string]: unknown };

/** Whether a value is a JSON object (not null, not a list). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two JSON values are equal; the order of keys does not matter. bigint and number differ. */
export function jsonEquals(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => jsonEquals(item, b[i]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && jsonEquals(a[key], b[key]))
  );
}

/** Sets a key even when it is `__proto__`, as JSON.parse does. Changes `target`. */
export function setKey(target: JsonObject, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else target[key] = value;
}

/** A copy without the named keys. */
export function omitKeys(from: JsonObject, keys: readonly string[]): JsonObject {
  const copy = { ...from };
  for (const key of keys) delete copy[key];
  return copy;
}
