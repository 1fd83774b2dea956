import { type Kind, parseJson, printJson, type Resource } from '@calico/api';
import type { Layout } from './layout.ts';
import type { KeyValue } from './messages.ts';

/** A kind, and how it lies in etcd. */
export interface Held<R extends Resource> {
  readonly kind: Kind<R>;
  readonly layout: Layout<R>;
}

/** The text of an object at a key. */
export function encodeRecord<R extends Resource>({ layout }: Held<R>, resource: R, place: string): string {
  return printJson(layout.encode(resource, place));
}

/** The object that a key holds, with its defaults; undefined when the key is of another kind. Throws on what is no such object. */
export function decodeRecord<R extends Resource>({ kind, layout }: Held<R>, record: KeyValue): R | undefined {
  const value = parseJson(record.value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`the value is "${record.value.slice(0, 40)}"; allowed: a JSON object`);
  }
  const decoded = layout.decode(record.key, value);
  if (decoded === undefined) return undefined;
  const resource = kind.default(decoded);
  resource.metadata.resourceVersion = String(record.modRevision);
  if (!layout.storesMetadata) resource.metadata.uid = revisionUid(record.createRevision);
  return resource;
}

/** A uid for objects that are stored without one. No two of them are made at one revision. */
function revisionUid(createRevision: number): string {
  return `00000000-0000-4000-8000-${createRevision.toString(16).padStart(12, '0')}`;
}
