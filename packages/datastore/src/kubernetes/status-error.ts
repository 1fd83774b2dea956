import { DatastoreError, type DatastoreErrorCode } from '../error.ts';

/** What was asked, for the text of an error. */
export interface Operation {
  readonly op: string;
  readonly resource: string;
  /** A write: when its answer is lost it may have been done. */
  readonly write: boolean;
}

/** The part of a meta/v1 Status that we read. */
interface Status {
  readonly reason: string;
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
  /** The fields that were refused. */
  readonly fields: readonly unknown[];
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function readStatus(body: unknown): Status {
  const details = field(body, 'details');
  const seconds = field(details, 'retryAfterSeconds');
  const causes = field(details, 'causes');
  return {
    reason: textOf(field(body, 'reason')),
    message: textOf(field(body, 'message')),
    retryAfterSeconds: typeof seconds === 'number' ? seconds : undefined,
    fields: Array.isArray(causes) ? causes.map(cause => field(cause, 'field')) : [],
  };
}

const CODES: Readonly<Record<number, DatastoreErrorCode>> = {
  400: 'Invalid',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'Invalid',
  406: 'Invalid',
  408: 'Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Invalid',
  415: 'Invalid',
  422: 'Invalid',
  429: 'Unavailable',
  500: 'Internal',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Timeout',
};

/** How servers say that the object of that uid is gone and another took its name: storage, and deletion before it. */
const OTHER_UID = /precondition failed: uid|the uid in the precondition/i;

function codeOf(httpStatus: number, { reason, message, fields }: Status): DatastoreErrorCode {
  if (httpStatus === 409) {
    if (reason === 'AlreadyExists') return 'AlreadyExists';
    if (OTHER_UID.test(message)) return 'NotFound';
  }
  // The same, when Kubernetes' own kinds are patched: a field that cannot be changed.
  if (httpStatus === 422 && fields.length > 0 && fields.every(name => name === 'metadata.uid')) return 'NotFound';
  return CODES[httpStatus] ?? 'Internal';
}

/**
 * The error that an answer of the API server stands for. `body` is the parsed Status, or whatever came; `retryAfter` the
 * header Retry-After in seconds. A 5xx to a write leaves its outcome unknown: the store behind may have done it.
 */
export function statusError(
  operation: Operation,
  httpStatus: number,
  body: unknown,
  retryAfter?: string | null,
): DatastoreError {
  const status = readStatus(body);
  const seconds = status.retryAfterSeconds ?? (retryAfter ? Number(retryAfter) : Number.NaN);
  return new DatastoreError({
    code: codeOf(httpStatus, status),
    op: operation.op,
    resource: operation.resource,
    reason: status.message === '' ? `the server answered ${httpStatus}` : status.message,
    outcomeUnknown: operation.write && httpStatus >= 500,
    ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
  });
}

/** Failures of a connection that was never made: nothing can have been done. */
const NEVER_SENT = new Set([
  'ConnectionRefused',
  'ECONNREFUSED',
  'FailedToOpenSocket',
  'ENOENT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** The error of a request that got no (whole) answer; `timedOut` when we gave up waiting. */
export function connectionError(operation: Operation, server: string, err: unknown, timedOut: boolean): DatastoreError {
  const systemCode = textOf(field(err, 'code'));
  const text = err instanceof Error ? err.message : String(err);
  return new DatastoreError({
    code: timedOut ? 'Timeout' : 'Unavailable',
    op: operation.op,
    resource: operation.resource,
    reason: timedOut ? `${server} did not answer in time` : `${server}: ${text}`,
    outcomeUnknown: operation.write && !NEVER_SENT.has(systemCode),
    cause: err,
  });
}
