import { flag, integer, matching, object, type Schema, text } from '../../schema/build.ts';
import { parseAsNumber } from '../../schema/formats.ts';
import { isObject } from '../../schema/node.ts';

/** Severities of a log, the least first. */
export const LOG_LEVELS = ['Trace', 'Debug', 'Info', 'Warning', 'Error', 'Fatal'];

/** An AS number of four bytes. Text such as "64512" or "1.10" is made a number when defaults are filled in. */
export function asNumber(description: string): Schema<number> {
  return integer({ format: 'int64', minimum: 0, maximum: 0xffffffff, description });
}

/** Makes numbers of AS numbers written as text (also `high.low`), in these fields of a spec. */
export function numberAsNumbers(spec: unknown, fields: readonly string[]): void {
  if (!isObject(spec)) return;
  for (const field of fields)
    if (typeof spec[field] === 'string') spec[field] = parseAsNumber(spec[field]) ?? spec[field];
}

/** A metric of routes; what is above belongs to the kernel. */
export function routePriority(description: string): Schema<number> {
  return integer({ minimum: 1, maximum: 2147483646, description });
}

/** A span of time as Go writes it: `90s`, `1m30s`, `500ms`. */
export function duration(description: string): Schema<string> {
  return matching(
    '^(([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+|0)$',
    'a span of time such as "90s", "1m30s" or "500ms"',
    {
      description,
    },
  );
}

/** Which key of which Secret. */
export function secretKeyRef(description: string) {
  return object(
    {},
    {
      secretKeyRef: object(
        { key: text({ minLength: 1 }) },
        { name: text({ default: '', description: 'The Secret, in the namespace of Calico.' }), optional: flag() },
        { 'x-kubernetes-map-type': 'atomic' },
      ),
    },
    { description },
  );
}
