import type { AnyResource, Kind } from '@calico/api';
import { matchesFields, parseFieldSelector } from './field-selector.ts';
import { matchesLabels, parseLabelSelector } from './label-selector.ts';
import { badRequest, qualifiedPlural } from './status.ts';

/** What part of a resource a list, watch or deletion is about. */
export interface Filter {
  readonly namespace: string | undefined;
  /** Whether a selector narrows the list (its remaining count is then unknown). */
  readonly selects: boolean;
  matches(object: AnyResource): boolean;
}

/** Makes the filter of a request from its namespace, name and selectors. Throws a 400 ApiError. */
export function parseFilter(
  kind: Kind,
  request: {
    readonly namespace: string | undefined;
    readonly name: string | undefined;
    readonly labelSelector: string | null;
    readonly fieldSelector: string | null;
  },
): Filter {
  const labels = parseLabelSelector(request.labelSelector ?? '');
  const fields = parseFieldSelector(request.fieldSelector ?? '');
  for (const { field } of fields) {
    if (!Object.hasOwn(kind.fieldLabels, field)) {
      throw badRequest(
        `Cannot select ${qualifiedPlural(kind)}: field label is "${field}"; allowed: ${Object.keys(kind.fieldLabels).join(', ')} (field label not supported)`,
      );
    }
  }
  const { namespace, name } = request;
  return {
    namespace,
    selects: labels.length > 0 || fields.length > 0,
    matches: object =>
      (namespace === undefined || object.metadata.namespace === namespace) &&
      (name === undefined || object.metadata.name === name) &&
      matchesLabels(labels, object.metadata.labels) &&
      (fields.length === 0 || matchesFields(fields, field => kind.fieldLabels[field]?.value(object))),
  };
}
