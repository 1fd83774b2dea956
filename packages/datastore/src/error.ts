/** What went wrong, in classes that a caller can act upon. */
export type DatastoreErrorCode =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'Unauthorized'
  | 'Forbidden'
  /** The resourceVersion (or list continuation) asked for is no longer kept: list anew. */
  | 'Gone'
  /** The server was not reached, or asks to come back later. */
  | 'Unavailable'
  | 'Timeout'
  | 'Internal';

/** The parts of a DatastoreError. */
export interface DatastoreErrorParts {
  readonly code: DatastoreErrorCode;
  /** The operation: get, list, create, update, updateStatus, patch, delete, watch, connect. */
  readonly op: string;
  /** What it was done to, such as `IPPool(pool-1)` or `Pod(default/web)`. */
  readonly resource: string;
  readonly reason: string;
  readonly outcomeUnknown?: boolean;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** An operation of a datastore that failed. */
export class DatastoreError extends Error {
  override readonly name = 'DatastoreError';
  readonly code: DatastoreErrorCode;
  readonly op: string;
  readonly resource: string;
  /** The bare reason, without operation and resource. */
  readonly reason: string;
  /** True when a write may or may not have been done: the answer was lost. Read before writing again. */
  readonly outcomeUnknown: boolean;
  /** The server's wish for the time until the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(parts: DatastoreErrorParts) {
    super(
      `Cannot ${parts.op} ${parts.resource}: ${parts.reason}`,
      parts.cause === undefined ? undefined : { cause: parts.cause },
    );
    this.code = parts.code;
    this.op = parts.op;
    this.resource = parts.resource;
    this.reason = parts.reason;
    this.outcomeUnknown = parts.outcomeUnknown ?? false;
    this.retryAfterMs = parts.retryAfterMs;
  }
}

function hasCode(err: unknown, code: DatastoreErrorCode): boolean {
  return err instanceof DatastoreError && err.code === code;
}

/** The object does not exist. */
export function isNotFound(err: unknown): boolean {
  return hasCode(err, 'NotFound');
}

/** An object of that name exists already. */
export function isAlreadyExists(err: unknown): boolean {
  return hasCode(err, 'AlreadyExists');
}

/** The object changed since it was read, or a precondition does not hold: read it again. */
export function isConflict(err: unknown): boolean {
  return hasCode(err, 'Conflict');
}

/** The object was refused by validation. */
export function isInvalid(err: unknown): boolean {
  return hasCode(err, 'Invalid');
}

/** The server does not know who we are. */
export function isUnauthorized(err: unknown): boolean {
  return hasCode(err, 'Unauthorized');
}

/** We may not do this. */
export function isForbidden(err: unknown): boolean {
  return hasCode(err, 'Forbidden');
}

/** The resourceVersion or continuation is no longer kept. */
export function isGone(err: unknown): boolean {
  return hasCode(err, 'Gone');
}

/** Not an answer about the object, but a trouble on the way: trying again later may help. */
export function isTransient(err: unknown): boolean {
  return hasCode(err, 'Unavailable') || hasCode(err, 'Timeout') || hasCode(err, 'Internal');
}

/** A write whose answer was lost: it may have been done. */
export function isOutcomeUnknown(err: unknown): boolean {
  return err instanceof DatastoreError && err.outcomeUnknown;
}

/** `Pod(default/web)`, `IPPool(pool-1)`, `Pod(default/*)`: the object (or objects) of an operation, for error text. */
export function printResource(kind: string, namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? `${kind}(${name})` : `${kind}(${namespace}/${name})`;
}
