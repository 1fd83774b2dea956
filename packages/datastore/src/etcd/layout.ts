import type { Resource } from '@calico/api';
import type { ObjectKey } from '../client.ts';
import type { KeyRange } from './key-range.ts';

/** How the objects of one kind lie in etcd. */
export interface Layout<R extends Resource = Resource> {
  /** False: there is no room for metadata; it follows from key and revision. */
  readonly storesMetadata: boolean;
  /** All keys of the kind, or of a namespace; there may be others among them. */
  range(namespace?: string): KeyRange;
  /** The key where an object is written. Its name, namespace and what else the key is made of have been validated. */
  place(resource: R): string;
  /** The keys where an object of this name may be. */
  places(key: ObjectKey): string[];
  /** Where to look for an object of this name when it is at none of its places; undefined: nowhere. */
  search?(key: ObjectKey): KeyRange | undefined;
  /** The value of an object at a key. */
  encode(resource: R, place: string): object;
  /** The object of a key and its value, without resourceVersion; undefined when the key is not of this kind. */
  decode(place: string, value: object): R | undefined;
}
