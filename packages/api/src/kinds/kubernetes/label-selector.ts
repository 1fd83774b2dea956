import type { Static } from 'typebox';
import type { FieldErrors } from '../../field-error.ts';
import { validateLabels } from '../../metadata.ts';
import { isLabelValue, isQualifiedName } from '../../names.ts';
import { lazy, list, object, oneOf, text, textMap } from '../../schema/build.ts';

/** What picks objects by their labels (meta/v1 LabelSelector); all terms must hold. */
export const labelSelector = lazy(() =>
  object(
    {},
    {
      matchLabels: textMap({ description: 'Labels with exactly these values.' }),
      matchExpressions: list(
        object(
          { key: text(), operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist']) },
          { values: list(text(), { description: 'For In and NotIn.' }) },
        ),
      ),
    },
    { 'x-kubernetes-map-type': 'atomic' },
  ),
);

export type LabelSelector = Static<ReturnType<typeof labelSelector>>;

/** Adds the faults of a label selector at `path`. */
export function labelSelectorRules(selector: LabelSelector | undefined, path: string, errors: FieldErrors): void {
  validateLabels(selector?.matchLabels ?? {}, `${path}.matchLabels`, errors);
  for (const [i, { key, operator, values }] of (selector?.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`;
    if (!isQualifiedName(key)) errors.invalid(`${at}.key`, key, 'must be a label key');
    const listed = operator === 'In' || operator === 'NotIn';
    if (listed && (values ?? []).length === 0)
      errors.required(`${at}.values`, `at least one value for operator ${operator}`);
    if (!listed && (values ?? []).length > 0)
      errors.forbidden(`${at}.values`, values, `not allowed for operator ${operator}`);
    for (const [j, value] of (values ?? []).entries()) {
      if (!isLabelValue(value)) errors.invalid(`${at}.values[${j}]`, value, 'must be a label value');
    }
  }
}

/** A label selector as kubectl shows it: `app=web,tier in (a,b),!old`, `<none>` if it is empty. */
export function printLabelSelector(selector: LabelSelector | undefined): string {
  const terms = Object.entries(selector?.matchLabels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    const words = [...values].sort().join(',');
    if (operator === 'Exists') terms.push(key);
    else if (operator === 'DoesNotExist') terms.push(`!${key}`);
    else terms.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${words})`);
  }
  return terms.length === 0 ? '<none>' : terms.join(',');
}

/** Whether labels satisfy a selector; an empty selector matches everything. */
export function matchesLabelSelector(selector: LabelSelector, labels: { readonly [key: string]: string }): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      default:
        return value === undefined;
    }
  });
}
