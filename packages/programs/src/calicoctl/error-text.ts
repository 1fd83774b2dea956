import { DatastoreError } from '@calico/datastore';

const HEADINGS: { readonly [code in DatastoreError['code']]?: (err: DatastoreError) => string } = {
  NotFound: err => `resource does not exist: ${err.resource} with error: ${err.reason}`,
  AlreadyExists: err => `resource already exists: ${err.resource} with error: ${err.reason}`,
  Conflict: err => `update conflict: ${err.resource}`,
  Unauthorized: err => `connection is unauthorized: ${err.reason}`,
  Forbidden: err => `connection is unauthorized: ${err.reason}`,
};

/** What happened, in calicoctl's words; a write whose outcome is not known says so. */
export function errorText(err: unknown): string {
  if (!(err instanceof DatastoreError)) return err instanceof Error ? err.message : String(err);
  const text = HEADINGS[err.code]?.(err) ?? err.message;
  return err.outcomeUnknown ? `${text} (it may have been done all the same)` : text;
}
