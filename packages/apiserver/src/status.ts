/**
 * The error half of the Kubernetes API: `Status` objects, and the exception that carries one through the server.
 * Source: Kubernetes API conventions, "Response Status Kind" and "Error Response".
 */

/** One reason inside `status.details.causes`; `field` is a path such as `spec.cidr`. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

/** What the failed request was about. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The `Status` object of the Kubernetes API, as sent to clients. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Record<string, never>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** Names a resource in an error: `qualified` gives `ippools.projectcalico.org "x"`. */
export interface ErrorSubject {
  readonly group: string;
  readonly plural: string;
  readonly name: string;
}

/** A refusal with its HTTP status code and Kubernetes reason. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The `Status` object that tells a client about this error. */
  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** The name of a resource type in messages: `pods`, `ippools.projectcalico.org`. */
export function qualifiedPlural(subject: { readonly group: string; readonly plural: string }): string {
  return subject.group === '' ? subject.plural : `${subject.plural}.${subject.group}`;
}

const describe = (s: ErrorSubject): StatusDetails => ({
  name: s.name,
  ...(s.group === '' ? {} : { group: s.group }),
  kind: s.plural,
});

const subjectText = (s: ErrorSubject): string => `${qualifiedPlural(s)} "${s.name}"`;

/** 404: the object does not exist. */
export function notFound(subject: ErrorSubject): ApiError {
  return new ApiError(404, 'NotFound', `${subjectText(subject)} not found`, describe(subject));
}

/** 404: no such path; what client libraries take for "this server has no such resource". */
export function unknownPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** 409: an object of that name exists already. */
export function alreadyExists(subject: ErrorSubject): ApiError {
  return new ApiError(409, 'AlreadyExists', `${subjectText(subject)} already exists`, describe(subject));
}

/** 409: the object changed since the caller read it, or a precondition failed; `why` ends the sentence. */
export function conflict(
  subject: ErrorSubject,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): ApiError {
  return new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${subjectText(subject)}: ${why}`,
    describe(subject),
  );
}

/** 403: the request is understood and refused whoever asks. */
export function forbidden(subject: ErrorSubject, why: string, causes?: readonly StatusCause[]): ApiError {
  return new ApiError(403, 'Forbidden', `${subjectText(subject)} is forbidden: ${why}`, {
    ...describe(subject),
    ...(causes === undefined ? {} : { causes }),
  });
}

/** 400: the request itself is malformed. */
export function badRequest(message: string, causes?: readonly StatusCause[]): ApiError {
  return new ApiError(400, 'BadRequest', message, causes === undefined ? undefined : { causes });
}

/** 410: the wanted history has been compacted away; the client must list again. */
export function gone(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

/** 405: the resource exists, the verb does not apply to it. */
export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

/** 415: the body is in a format this server does not read. */
export function unsupportedMediaType(message: string): ApiError {
  return new ApiError(415, 'UnsupportedMediaType', message);
}

/** 422: the object breaks rules of its kind; `causes` lists each with its field. */
export function invalid(
  subject: { readonly group: string; readonly kind: string; readonly name: string },
  causes: readonly StatusCause[],
): ApiError {
  const kind = subject.group === '' ? subject.kind : `${subject.kind}.${subject.group}`;
  const lines = causes.map(c => (c.field === undefined ? c.message : `${c.field}: ${c.message}`));
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${kind} "${subject.name}" is invalid: ${text}`, {
    name: subject.name,
    ...(subject.group === '' ? {} : { group: subject.group }),
    kind: subject.kind,
    causes,
  });
}

/** The `Status` that answers a completed deletion. */
export function deletedStatus(subject: ErrorSubject, uid: string | undefined): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { ...describe(subject), ...(uid === undefined ? {} : { uid }) },
    code: 200,
  };
}
