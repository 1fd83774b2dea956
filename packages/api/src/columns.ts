import { printAge } from './age.ts';
import { fieldReader } from './field-reader.ts';
import type { CalicoctlColumn, Cell, Column } from './kind.ts';
import type { Resource } from './resource.ts';

/** A column of a server-printed table; an undefined value is an empty cell, as the API server prints it for CRDs. */
export function column<R extends Resource>(
  name: string,
  type: Column['type'],
  value: (r: R, now: number) => Cell | undefined,
  description = '',
): Column<R> {
  return { name, type, format: '', priority: 0, description, value: (r, now) => value(r, now) ?? null };
}

/**
 * A column that shows one field, which a CustomResourceDefinition can say too: `jsonPath` is like `.spec.tier` or
 * `.status.conditions[?(@.type=='Ready')].status`. A list or object is shown as JSON, a date as the time since then.
 */
export function fieldColumn<R extends Resource>(
  name: string,
  type: Column['type'],
  jsonPath: string,
  description = '',
): Column<R> {
  const read = fieldReader(jsonPath);
  const value = (r: R, now: number) => {
    const found = read(r);
    return type === 'date' && typeof found === 'string' ? printAge(found, now) : toCell(found);
  };
  return { ...column(name, type, value, description), jsonPath };
}

function toCell(value: unknown): Cell | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return JSON.stringify(value);
}

/** The same column, shown only with `-o wide`. */
export function wide<R extends Resource>(of: Column<R>): Column<R> {
  return { ...of, priority: 1 };
}

/** Where the time of creation stands. */
export const CREATION_PATH = '.metadata.creationTimestamp';

/** The column that every table starts with. */
export function nameColumn<R extends Resource>(): Column<R> {
  return { ...column<R>('Name', 'string', r => r.metadata.name, 'Name of the object'), format: 'name' };
}

/** Time since creation, as kubectl shows it. */
export function ageColumn<R extends Resource>(): Column<R> {
  return {
    ...column('Age', 'string', (r, now) => printAge(r.metadata.creationTimestamp, now), 'Time since creation'),
    jsonPath: CREATION_PATH,
  };
}

/** A column of calicoctl's table. */
export function heading<R extends Resource>(name: string, value: (r: R) => string): CalicoctlColumn<R> {
  return { heading: name, value };
}

/** A list as calicoctl shows it: joined by commas, cut at 80 characters. */
export function joinCut(values: readonly string[]): string {
  const joined = values.join(',');
  return joined.length > 80 ? `${joined.slice(0, 80)}...` : joined;
}

/** An order as calicoctl shows it: `<nil>` when there is none. */
export function printOrder(order: number | undefined): string {
  return order === undefined ? '<nil>' : String(order);
}
