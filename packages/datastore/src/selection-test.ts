import type { Kind, Resource } from '@calico/api';
import type { Selection } from './client.ts';
import { DatastoreError, printResource } from './error.ts';
import { parseFieldSelector } from './memory/field-selector.ts';
import { parseLabelSelector } from './memory/label-selector.ts';

/** Whether an object of the kind belongs to a selection, for stores that know keys only. Throws Invalid for a selector that is none. */
export function selectionTest<R extends Resource>(
  kind: Kind<R>,
  selection: Selection,
  op: string,
): (resource: Resource) => boolean {
  const { namespace, labelSelector = '', fieldSelector = '' } = selection;
  const invalid = (reason: string): DatastoreError =>
    new DatastoreError({ code: 'Invalid', op, resource: printResource(kind.kind, namespace, '*'), reason });
  const labels = parseLabelSelector(labelSelector);
  if (labels === undefined) throw invalid(`labelSelector is "${labelSelector}"; allowed: such as "app=web,!old"`);
  const fields = parseFieldSelector(fieldSelector);
  if (fields === undefined || fields.some(({ field }) => kind.fieldLabels[field] === undefined)) {
    throw invalid(`fieldSelector is "${fieldSelector}"; allowed fields: ${Object.keys(kind.fieldLabels).join(', ')}`);
  }
  return resource =>
    (namespace === undefined || resource.metadata.namespace === namespace) &&
    labels(resource.metadata.labels) &&
    fields.every(({ field, value, negated }) => (kind.fieldLabels[field]?.value(resource as R) === value) !== negated);
}
