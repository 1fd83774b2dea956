/** Deepest nesting of a document: what the embedded API server takes. */
const DEEPEST = 128;

/**
 * What a YAML document holds, as plain JSON data: whole numbers as numbers, or bigints beyond 2^53. Throws an Error that
 * says what JSON does not have: a value within itself, infinity, a date, binary data, a set.
 */
export function plainJson(value: unknown, depth = 0): unknown {
  if (depth > DEEPEST) throw new Error(`nested deeper than ${DEEPEST} levels, or within itself`);
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Error(`the number ${value}; allowed: finite ones`);
  if (Array.isArray(value)) return value.map(item => plainJson(item, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    throw new Error(`a value of type ${value.constructor.name}; allowed: what JSON has`);
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plainJson(part, depth + 1)]));
}
