import { integer, lazy, listMap, matching, mergedBy, object, oneOf, type Schema, text, time } from '../schema/build.ts';

/** One observed condition of an object (meta/v1 Condition). */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  lastTransitionTime: string;
  reason: string;
  message: string;
  observedGeneration?: number;
}

const condition: () => Schema<Condition> = lazy(() =>
  object(
    {
      type: matching(
        '^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$',
        'a CamelCase word, after an optional DNS prefix and "/"',
        { maxLength: 316 },
      ),
      status: oneOf(['True', 'False', 'Unknown']),
      lastTransitionTime: time(),
      reason: matching('^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$', 'a CamelCase word', {
        minLength: 1,
        maxLength: 1024,
      }),
      message: text({ maxLength: 32768 }),
    },
    { observedGeneration: integer({ format: 'int64', minimum: 0 }) },
  ),
);

/** The conditions of a Calico kind's status, one per type. */
export function conditions(): Schema<Condition[]> {
  return listMap(condition(), ['type'], mergedBy('type'));
}
