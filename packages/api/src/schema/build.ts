import { type Static, type TSchema, type TUnsafe, Type } from 'typebox';

/** A schema of values of type `T`: JSON Schema data, with Kubernetes' `x-kubernetes-*` keywords where they apply. */
export type Schema<T = unknown> = TUnsafe<T>;

/** Makes a schema on first use and keeps it: importing a kind builds nothing. */
export function lazy<S extends TSchema>(build: () => S): () => S {
  let made: S | undefined;
  return () => {
    made ??= build();
    return made;
  };
}

/** Further keywords of a schema: JSON Schema's, Kubernetes', and our own `x-calico-*` (never published). */
export interface Keywords {
  readonly [keyword: string]: unknown;
}

/** The keyword of our own checks, one name of `FORMATS`; published schemas leave it out. */
export const FORMAT = 'x-calico-format';
/** The keyword that puts what a pattern allows into words. */
export const ALLOWED = 'x-calico-allowed';
/** Kubernetes' keyword of rules in CEL. */
export const VALIDATIONS = 'x-kubernetes-validations';
/** Kubernetes' mark of an object whose unknown fields are kept. */
export const PRESERVE = 'x-kubernetes-preserve-unknown-fields';
/** Kubernetes' mark of a value that is an integer or a string. */
export const INT_OR_STRING = 'x-kubernetes-int-or-string';

/** A rule of the Common Expression Language that the API server checks; `self` is the value that it stands at. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired';
}

/** The keyword with rules that a CustomResourceDefinition carries; our own validation has the same in TypeScript. */
export function cel(...rules: readonly CelRule[]): Keywords {
  return { [VALIDATIONS]: rules };
}

type Fields = { readonly [name: string]: TSchema };
type ObjectOf<Required extends Fields, Optional extends Fields> = {
  [K in keyof Required]: Static<Required[K]>;
} & { [K in keyof Optional]?: Static<Optional[K]> };
type Flat<T> = { [K in keyof T]: T[K] } & {};

/** An object with these required and optional fields; any other field is unknown. */
export function object<Required extends Fields, Optional extends Fields = Record<never, never>>(
  required: Required,
  optional?: Optional,
  keywords: Keywords = {},
): Schema<Flat<ObjectOf<Required, Optional>>> {
  const names = Object.keys(required);
  return Type.Unsafe<Flat<ObjectOf<Required, Optional>>>({
    type: 'object',
    ...(names.length === 0 ? {} : { required: names }),
    properties: { ...required, ...optional },
    ...keywords,
  });
}

/** An object of which only these fields are known; all others are kept and not judged. */
export function open<Optional extends Fields = Record<never, never>>(
  optional?: Optional,
  keywords: Keywords = {},
): Schema<Flat<ObjectOf<Record<never, never>, Optional>> & { [field: string]: unknown }> {
  return Type.Unsafe({ type: 'object', properties: { ...optional }, ...keywords, [PRESERVE]: true });
}

/** Text. */
export function text(keywords: Keywords = {}): Schema<string> {
  return Type.Unsafe<string>({ type: 'string', ...keywords });
}

/** Text of one of our formats (`formats.ts`), such as a CIDR or a selector. */
export function formatted(format: string, keywords: Keywords = {}): Schema<string> {
  return text({ ...keywords, [FORMAT]: format });
}

/** Text that one pattern allows; `allowed` says in words what that is. `(?i)` in front means any case. */
export function matching(pattern: string, allowed: string, keywords: Keywords = {}): Schema<string> {
  return text({ ...keywords, pattern, [ALLOWED]: allowed });
}

/** Text that is one of these words, in any case (or empty). */
export function anyCase(words: readonly string[], keywords: Keywords = {}): Schema<string> {
  return matching(
    `^(?i)(${words.join('|')})?$`,
    `one of ${words.map(w => `"${w}"`).join(', ')}, in any case`,
    keywords,
  );
}

/** Text that is exactly one of these words. */
export function oneOf<const Words extends readonly string[]>(
  words: Words,
  keywords: Keywords = {},
): Schema<Words[number]> {
  return Type.Unsafe<Words[number]>({ type: 'string', enum: words, ...keywords });
}

/** A whole number within 2^53. */
export function integer(keywords: Keywords = {}): Schema<number> {
  return Type.Unsafe<number>({ type: 'integer', ...keywords });
}

/** A whole number of 64 bits: a bigint when it is beyond 2^53 (see `parseJson`). */
export function integer64(keywords: Keywords = {}): Schema<number | bigint> {
  return Type.Unsafe<number | bigint>({ type: 'integer', format: 'int64', ...keywords });
}

/** A number. */
export function decimal(keywords: Keywords = {}): Schema<number> {
  return Type.Unsafe<number>({ type: 'number', ...keywords });
}

/** True or false. */
export function flag(keywords: Keywords = {}): Schema<boolean> {
  return Type.Unsafe<boolean>({ type: 'boolean', ...keywords });
}

/** An integer of 32 bits or text, as Kubernetes' own kinds have it (IntOrString). */
export function int32OrString(keywords: Keywords = {}): Schema<number | string> {
  return intOrString({ [FORMAT]: 'int32-or-text', ...keywords });
}

/** An integer or text. */
export function intOrString(keywords: Keywords = {}): Schema<number | string> {
  return Type.Unsafe<number | string>({ [INT_OR_STRING]: true, ...keywords });
}

/** A list that is replaced as a whole. */
export function list<Item extends TSchema>(item: Item, keywords: Keywords = {}): Schema<Static<Item>[]> {
  return Type.Unsafe<Static<Item>[]>({
    type: 'array',
    items: item,
    'x-kubernetes-list-type': 'atomic',
    ...keywords,
  });
}

/** A list without duplicates. */
export function set<Item extends TSchema>(item: Item, keywords: Keywords = {}): Schema<Static<Item>[]> {
  return list(item, { 'x-kubernetes-list-type': 'set', ...keywords });
}

/** A list of objects that these fields identify; server-side apply merges it by them. */
export function listMap<Item extends TSchema>(
  item: Item,
  keys: readonly string[],
  keywords: Keywords = {},
): Schema<Static<Item>[]> {
  return list(item, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys, ...keywords });
}

/** The keywords of a list that a strategic merge patch merges by `key` (Kubernetes struct tag patchMergeKey). */
export function mergedBy(key: string): Keywords {
  return { 'x-kubernetes-patch-strategy': 'merge', 'x-kubernetes-patch-merge-key': key };
}

/**
 * The keyword of lists in which Kubernetes takes duplicates although they are lists by key (environment variables, ports
 * of containers …).
 */
export const DUPLICATES = { 'x-calico-duplicates': true };

/** Text keys, each with a value of this schema. */
export function mapOf<Value extends TSchema>(
  value: Value,
  keywords: Keywords = {},
): Schema<Record<string, Static<Value>>> {
  return Type.Unsafe<Record<string, Static<Value>>>({ type: 'object', additionalProperties: value, ...keywords });
}

/** Labels, annotations and their like. */
export function textMap(keywords: Keywords = {}): Schema<Record<string, string>> {
  return mapOf(text(), keywords);
}

/** The same schema, null allowed too. */
export function nullable<Of extends TSchema>(schema: Of): Schema<Static<Of> | null> {
  return Type.Unsafe<Static<Of> | null>({ ...schema, nullable: true });
}

/** A point in time, RFC 3339. */
export function time(keywords: Keywords = {}): Schema<string> {
  return formatted('date-time', { format: 'date-time', ...keywords });
}
