import type { Kind, Resource } from '@calico/api';
import { keyOf, printKey, type Selection, type WatchEvent } from '../client.ts';
import { DatastoreError, printResource } from '../error.ts';
import { type FieldRequirement, parseFieldSelector } from '../memory/field-selector.ts';
import { parseLabelSelector } from '../memory/label-selector.ts';
import { type GroupForm, isTiered } from './group-form.ts';

/** A selection in two parts: what the server is asked for, and what is left to be done with its answer. */
export interface SplitSelection<R> {
  readonly server: Selection;
  /** Undefined when the server does it all. */
  readonly matches: ((object: R) => boolean) | undefined;
}

/** Divides a selection between the server and us. Throws Invalid for selectors that are not understood here. */
export function splitSelection<R extends Resource>(
  form: GroupForm,
  kind: Kind<R>,
  op: string,
  selection: Selection,
): SplitSelection<R> {
  const { namespace, labelSelector = '', fieldSelector = '' } = selection;
  const labels = asksForOthers(labelSelector, form) ? labelTest(kind, op, selection, labelSelector) : undefined;
  const requirements = parseFieldSelector(fieldSelector) ?? [];
  const ours = requirements.some(
    ({ field }) => !form.selectsField(field) || (isTiered(kind) && field === 'metadata.name'),
  );
  const fields = ours ? fieldTest(kind, op, selection, requirements) : undefined;
  return {
    server: {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined && labelSelector !== '' ? { labelSelector } : {}),
      ...(fields === undefined && fieldSelector !== '' ? { fieldSelector } : {}),
    },
    matches:
      labels === undefined && fields === undefined
        ? undefined
        : object => labels?.(object) !== false && fields?.(object) !== false,
  };
}

/** Whether a selector names a label that the server does not have on every object that should have it. */
function asksForOthers(labelSelector: string, form: GroupForm): boolean {
  // Values in parentheses are no keys.
  const keys = labelSelector.replace(/\([^()]*\)/g, '').split(',');
  return keys.some(text => text.trim() !== '' && !form.selectsLabel(text));
}

function labelTest<R extends Resource>(kind: Kind<R>, op: string, { namespace }: Selection, text: string) {
  const test = parseLabelSelector(text);
  if (test === undefined) throw refuse(kind, op, namespace, `labelSelector is "${text}"`);
  return (object: R): boolean => test(object.metadata.labels);
}

function fieldTest<R extends Resource>(
  kind: Kind<R>,
  op: string,
  { namespace }: Selection,
  requirements: readonly FieldRequirement[],
) {
  const unknown = requirements.find(({ field }) => kind.fieldLabels[field] === undefined);
  if (unknown !== undefined) {
    const reason = `fieldSelector names "${unknown.field}"; allowed: ${Object.keys(kind.fieldLabels).join(', ')}`;
    throw refuse(kind, op, namespace, reason);
  }
  return (object: R): boolean =>
    requirements.every(({ field, value, negated }) => (kind.fieldLabels[field]?.value(object) === value) !== negated);
}

function refuse(kind: Pick<Kind, 'kind'>, op: string, namespace: string | undefined, reason: string): DatastoreError {
  return new DatastoreError({ code: 'Invalid', op, resource: printResource(kind.kind, namespace, '*'), reason });
}

/**
 * Makes a selected watch out of one of everything. Of an object that was there before the watch it is not known whether it
 * belonged: its first change tells it as MODIFIED when it does now, as DELETED when it does not.
 */
export function selectedEvents<R extends Resource>(matches: (object: R) => boolean) {
  const known = new Map<string, boolean>();
  return (event: WatchEvent<R>): WatchEvent<R> | undefined => {
    if (event.type === 'BOOKMARK') return event;
    const { type, object } = event;
    const key = printKey(keyOf(object));
    const before = known.get(key) ?? (type === 'ADDED' ? false : undefined);
    if (type === 'DELETED') {
      known.delete(key);
      return before === false ? undefined : event;
    }
    const now = matches(object);
    known.set(key, now);
    if (now) return { type: before === false ? 'ADDED' : 'MODIFIED', object };
    return before === false ? undefined : { type: 'DELETED', object };
  };
}
