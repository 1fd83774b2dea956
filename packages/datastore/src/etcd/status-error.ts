import { DatastoreError, type DatastoreErrorCode } from '../error.ts';

/** What was being done, for error text. */
export interface Operation {
  readonly op: string;
  readonly resource: string;
  /** A write whose answer is lost may have been done. */
  readonly write: boolean;
}

/** gRPC's status codes that etcd or the transport gives (grpc.io, "Status Codes"). */
const STATUS = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** Answers of etcd by which a write was certainly not done, or a read answered. The rest is trouble on the way. */
const ANSWERS: ReadonlyMap<number, DatastoreErrorCode> = new Map([
  [STATUS.invalidArgument, 'Invalid'],
  [STATUS.permissionDenied, 'Forbidden'],
  // Too many requests, no space: it asks to come back later.
  [STATUS.resourceExhausted, 'Unavailable'],
  [STATUS.failedPrecondition, 'Internal'],
  // A revision that is compacted, or of a future that a restored etcd does not know: list anew.
  [STATUS.outOfRange, 'Gone'],
  [STATUS.unimplemented, 'Internal'],
  [STATUS.unauthenticated, 'Unauthorized'],
]);

/** Texts (etcd, api/v3rpc/rpctypes/error.go) that say more than their code. */
const LOGIN_REFUSED = /user name is empty|authentication failed|authentication is not enabled/;
const TOKEN_REFUSED = /invalid auth token|revision of auth store is old/;

/** Whether a new token may help. */
export function isTokenRefused(code: number, details: string): boolean {
  return code === STATUS.unauthenticated || TOKEN_REFUSED.test(details);
}

/** The error of a call that ended with a status other than OK. */
export function statusError(operation: Operation, server: string, code: number, details: string): DatastoreError {
  const { op, resource, write } = operation;
  const answer = LOGIN_REFUSED.test(details) || TOKEN_REFUSED.test(details) ? 'Unauthorized' : ANSWERS.get(code);
  const fallback = code === STATUS.deadlineExceeded ? 'Timeout' : code === STATUS.dataLoss ? 'Internal' : 'Unavailable';
  return new DatastoreError({
    code: answer ?? fallback,
    op,
    resource,
    reason: `${server} says: ${details}`,
    outcomeUnknown: write && answer === undefined,
  });
}

/** The error of a watch that etcd ended. */
export function cancelError(operation: Operation, server: string, reason: string): DatastoreError {
  const code = /permission denied/.test(reason) ? STATUS.permissionDenied : -1;
  return statusError(operation, server, code, reason === '' ? 'the watch was cancelled' : reason);
}
