import type { AnyResource, Kind } from '@calico/api';
import type { Entry } from './collection.ts';

/** What an admission sees of a write. It reads the newest state; it changes nothing but its return value. */
export interface AdmissionRequest {
  readonly operation: 'create' | 'update' | 'delete';
  readonly subresource: string | undefined;
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  /** The object as it would be stored; for `delete` the stored one. */
  readonly object: AnyResource;
  /** The stored object, for `update` and `delete`. */
  readonly old: AnyResource | undefined;
  /** Tells the client something that does not stop the write (a Warning header). */
  warn(text: string): void;
  get(resource: string, namespace: string, name: string): AnyResource | undefined;
  list(resource: string, namespace?: string): readonly Entry[];
}

/**
 * A rule about writes that needs more than the object itself, in pure functions. `mutate` runs between the kind's
 * defaults and its validation, `validate` after it; a refusal is a thrown ApiError.
 */
export interface Admission {
  readonly name: string;
  mutate?(request: AdmissionRequest): AnyResource;
  validate?(request: AdmissionRequest): void;
}
