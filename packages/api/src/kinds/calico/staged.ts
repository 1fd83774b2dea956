import type { FieldErrors } from '../../field-error.ts';
import { oneOf } from '../../schema/build.ts';

/** What a staged policy would do to the policy of its name. */
export const stagedAction = () =>
  oneOf(['Set', 'Delete', 'Learn', 'Ignore'], {
    default: 'Set',
    description: 'What committing it would do to the policy of the same name; it never changes a verdict by itself.',
  });

/** Whether this is a staged policy that stands for the end of another. */
export function isStagedDelete(policy: { readonly spec: unknown }): boolean {
  const { spec } = policy;
  return typeof spec === 'object' && spec !== null && 'stagedAction' in spec && spec.stagedAction === 'Delete';
}

/** A staged policy that stands for the end of another says nothing else; `kept` are the fields that it may have. */
export function stagedDeleteRules(
  policy: { readonly spec: object },
  kept: readonly string[],
  errors: FieldErrors,
): void {
  if (!isStagedDelete(policy)) return;
  for (const [field, value] of Object.entries(policy.spec)) {
    if (field === 'stagedAction' || kept.includes(field) || isZero(value)) continue;
    errors.forbidden(`spec.${field}`, value, 'must be left out when stagedAction is "Delete"');
  }
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === '' || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
