import type { CelRule } from '../../schema/build.ts';

type Reason = NonNullable<CelRule['reason']>;

/** Whether a text or list is there and not empty. */
export const filled = (field: string) => `(has(self.${field}) && size(self.${field}) > 0)`;

/** Whether a switch is there and on. */
export const on = (field: string) => `(has(self.${field}) && self.${field})`;

/** Whether an integer-or-text is one of these; CEL has no lists of both. */
export const isOneOf = (field: string, ...values: readonly (string | number)[]) =>
  `(${values.map(value => `self.${field} == ${typeof value === 'string' ? `'${value}'` : value}`).join(' || ')})`;

/** A rule that forbids: `what` must be false. */
export function never(what: string, message: string, reason: Reason = 'FieldValueForbidden'): CelRule {
  return { rule: `!(${what})`, message, reason };
}

/** A rule that demands: `what` must be true. */
export function always(what: string, message: string, reason: Reason = 'FieldValueInvalid'): CelRule {
  return { rule: what, message, reason };
}

/** A rule for selectors: global() stands only in namespace selectors of rules. */
export function noGlobal(field: string): CelRule {
  return never(
    `has(self.${field}) && self.${field}.contains('global(')`,
    `${field} must be a selector without global()`,
    'FieldValueInvalid',
  );
}
