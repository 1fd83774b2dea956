import { readYaml } from '@calico/api/yaml';

/** One object of a file, as it stands there. */
export interface RawObject {
  readonly value: unknown;
  /** `pool.yaml`, or `pools.yaml: object 2` where there are several. */
  readonly where: string;
}

/** All objects of a text: YAML of several documents or JSON; lists and arrays are taken apart. Throws an Error that names the place. */
export function parseDocuments(text: string, file: string): RawObject[] {
  const values = documents(text, file).flatMap(flatten);
  return values.map((value, i) => ({ value, where: values.length === 1 ? file : `${file}: object ${i + 1}` }));
}

function documents(text: string, file: string): unknown[] {
  try {
    return readYaml(text);
  } catch (err) {
    throw new Error(`${file}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
}

function flatten(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(flatten);
  if (typeof value !== 'object' || value === null) return [value];
  const { kind, apiVersion, items }: { kind?: unknown; apiVersion?: unknown; items?: unknown } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [value];
  const itemKind = kind.slice(0, -'List'.length);
  return items.flatMap((item: unknown) => {
    // The items of a typed list need not say what they are.
    const typed = itemKind === '' || typeof item !== 'object' ? item : { apiVersion, kind: itemKind, ...item };
    return flatten(typed);
  });
}
