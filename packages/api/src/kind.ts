import type { TSchema } from 'typebox';
import type { FieldError } from './field-error.ts';
import type { Resource } from './resource.ts';

/** What one cell of a table shows; numbers, booleans and null keep their JSON type in a server-printed table. */
export type Cell = string | number | boolean | null;

/** A column of the table that the API server prints for kubectl (meta/v1 TableColumnDefinition). */
export interface Column<R = Resource> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** `name` marks the column that names the object. */
  readonly format: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  readonly priority: 0 | 1;
  readonly description: string;
  /** Where the one field is that the column shows, as a CustomResourceDefinition says it; undefined if it shows more. */
  readonly jsonPath?: string;
  /** `now` is the wall time in ms, for ages. */
  value(r: R, now: number): Cell;
}

/** A column of calicoctl's tables. */
export interface CalicoctlColumn<R = Resource> {
  readonly heading: string;
  value(r: R): string;
}

/** calicoctl's table of a kind: `get` and `get -o wide`. The NAMESPACE column in front is calicoctl's own affair. */
export interface CalicoctlTable<R = Resource> {
  readonly narrow: readonly CalicoctlColumn<R>[];
  readonly wide: readonly CalicoctlColumn<R>[];
}

/** How a kind answers one field selector, such as `spec.nodeName`. */
export interface FieldLabel<R = Resource> {
  value(r: R): string;
}

/** Everything that is known of one kind of objects. */
export interface Kind<R extends Resource = Resource> {
  /** '' is the core group. */
  readonly group: string;
  readonly version: string;
  /** `v1` or `<group>/<version>`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  /** kubectl's short names. */
  readonly shortNames: readonly string[];
  /** Further names that calicoctl takes. */
  readonly aliases: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** False for kinds that are only derived from others, or not stored by the embedded API server yet. */
  readonly served: boolean;
  readonly statusSubresource: boolean;
  readonly description: string;
  /** Of the whole object; built on first use. */
  readonly schema: TSchema;
  readonly columns: readonly Column<R>[];
  /** Undefined for kinds that calicoctl does not show. */
  readonly calicoctl: CalicoctlTable<R> | undefined;
  /** Field selectors; `metadata.name` and, if namespaced, `metadata.namespace` are always among them. */
  readonly fieldLabels: { readonly [label: string]: FieldLabel<R> };
  /** A valid object, for documents and tests. */
  example(): R;
  /** A new object with every default filled in, and nulls that mean "absent" taken out. Idempotent. */
  default(r: R): R;
  /**
   * All faults; empty is valid. `old` is the stored object when this is an update; one that another version stored and that
   * does not fit the schema holds nothing up. Never throws on any JSON value.
   */
  validate(r: R, old?: R): FieldError[];
}
