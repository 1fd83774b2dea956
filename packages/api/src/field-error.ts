/** What is wrong, in the words that Kubernetes uses for the causes of a refused object (field.ErrorType). */
export type FieldErrorCode =
  | 'Required'
  | 'Invalid'
  | 'TypeInvalid'
  | 'NotSupported'
  | 'Duplicate'
  | 'Forbidden'
  | 'TooLong'
  | 'TooMany'
  | 'Unknown';

/** One fault of an object: where it is, what stands there, and what would be allowed. */
export interface FieldError {
  /** Like `spec.ingress[0].source.nets[1]` or `metadata.labels[a/b]`. */
  readonly path: string;
  readonly value: unknown;
  /** What is allowed there, without path and value. */
  readonly message: string;
  readonly code: FieldErrorCode;
}

const HEADINGS: Record<FieldErrorCode, string> = {
  Required: 'Required value',
  Invalid: 'Invalid value',
  TypeInvalid: 'Invalid value',
  NotSupported: 'Unsupported value',
  Duplicate: 'Duplicate value',
  Forbidden: 'Forbidden',
  TooLong: 'Too long',
  TooMany: 'Too many',
  Unknown: 'Unknown field',
};

const SHOWN = 200;

/** A value as it stands in an error: JSON, cut at 200 characters. */
export function printValue(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value === 'bigint') return value.toString();
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/**
 * One line as kubectl users know it: `spec.cidr: Invalid value: "10.0.0.1/24": must be …`.
 * A required or forbidden field has no value to show.
 */
export function printFieldError(error: FieldError): string {
  const { path, value, message, code } = error;
  const heading = HEADINGS[code];
  if (code === 'Required' || code === 'Forbidden' || code === 'Unknown') return `${path}: ${heading}: ${message}`;
  return `${path}: ${heading}: ${printValue(value)}: ${message}`;
}

/** Collects the faults of one object; every method adds one. */
export class FieldErrors {
  readonly list: FieldError[] = [];

  add(code: FieldErrorCode, path: string, value: unknown, message: string): void {
    this.list.push({ code, path, value, message });
  }

  invalid(path: string, value: unknown, message: string): void {
    this.add('Invalid', path, value, message);
  }

  required(path: string, message: string): void {
    this.add('Required', path, undefined, message);
  }

  forbidden(path: string, value: unknown, message: string): void {
    this.add('Forbidden', path, value, message);
  }
}
