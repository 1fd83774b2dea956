/** Checks of what a client sent against its kind: unknown and duplicate fields, and the kind's own rules. */
import {
  type AnyResource,
  type FieldError,
  type FieldErrorCode,
  type Kind,
  printFieldError,
  unknownFields,
} from '@calico/api';
import { badRequest, invalid, type StatusCause } from './status.ts';

/** What is done about unknown and duplicate fields (query parameter `fieldValidation`). */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

const REASONS: Record<FieldErrorCode, string> = {
  Required: 'FieldValueRequired',
  Invalid: 'FieldValueInvalid',
  TypeInvalid: 'FieldValueTypeInvalid',
  NotSupported: 'FieldValueNotSupported',
  Duplicate: 'FieldValueDuplicate',
  Forbidden: 'FieldValueForbidden',
  TooLong: 'FieldValueTooLong',
  TooMany: 'FieldValueTooMany',
  Unknown: 'FieldValueInvalid',
};

function toCause(error: FieldError): StatusCause {
  const text = printFieldError(error);
  const prefix = `${error.path}: `;
  return {
    reason: REASONS[error.code],
    message: text.startsWith(prefix) ? text.slice(prefix.length) : text,
    field: error.path,
  };
}

/** Throws a 422 ApiError that lists every fault of an object. */
export function checkObject(kind: Kind, object: AnyResource, old: AnyResource | undefined): void {
  const errors = kind.validate(object, old);
  if (errors.length > 0) {
    throw invalid({ group: kind.group, kind: kind.kind, name: object.metadata.name ?? '' }, errors.map(toCause));
  }
}

/**
 * Refuses (Strict, 400), or adds to `warnings` (Warn), fields that the kind does not have and keys given twice. Fields that
 * the stored object has already are not held against the client.
 */
export function checkFields(
  kind: Kind,
  object: AnyResource,
  old: AnyResource | undefined,
  duplicates: readonly string[],
  mode: FieldValidation,
  warnings: string[],
): void {
  if (mode === 'Ignore') return;
  const known = new Set(old === undefined ? [] : unknownFields(kind, old));
  const faults = [
    ...duplicates.map(path => `duplicate field ${JSON.stringify(path)}`),
    ...unknownFields(kind, object)
      .filter(path => !known.has(path))
      .map(path => `unknown field ${JSON.stringify(path)}`),
  ];
  if (faults.length === 0) return;
  if (mode === 'Strict') {
    throw badRequest(
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: strict decoding error: ${faults.join(', ')}`,
    );
  }
  warnings.push(...faults);
}
