// Whatever JSON is sent as an object of a kind, defaulting and validation end soon, never throw, and name places.
import { describe, expect } from 'bun:test';
import { type Kind, kinds, parseJson, printFieldError, printJson, type Resource, unknownFields } from '@calico/api';
import { fuzz } from './fuzz.ts';
import { anyJson, edited } from './json-edits.ts';

const asJson = {
  extension: 'json',
  read: (bytes: Buffer) => parseJson(bytes.toString('utf8')),
  write: (value: unknown) => `${printJson(value, 1)}\n`,
};

/** Everything that a server does with an object that came in, or that another version stored. */
function judge(kind: Kind, value: unknown): void {
  const given = value as Resource;
  const before = printJson(given);
  const defaulted = kind.default(given);
  expect(printJson(given)).toBe(before);
  expect(printJson(kind.default(defaulted))).toBe(printJson(defaulted));

  const known = Object.keys((kind.schema as { properties?: object }).properties ?? {});
  for (const errors of [kind.validate(given), kind.validate(defaulted)]) {
    for (const error of errors) {
      const [top = ''] = error.path.split(/[.[]/);
      // Only what is no object at all has no path.
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) expect(known).toContain(top);
      expect(error.message).not.toBe('');
      expect(printFieldError(error)).toStartWith(`${error.path}: `);
    }
  }
  for (const path of unknownFields(kind, given)) expect(typeof path).toBe('string');
  // Even an update of what another version stored.
  if (isStorable(given)) kind.validate(kind.example(), given);
  if (kind.validate(defaulted).length > 0) return;

  // What was taken can be shown, selected, and stored again as it is.
  for (const column of kind.columns) column.value(defaulted, 0);
  for (const column of kind.calicoctl?.wide ?? []) expect(typeof column.value(defaulted)).toBe('string');
  for (const label of Object.values(kind.fieldLabels)) expect(typeof label.value(defaulted)).toBe('string');
  expect(kind.validate(defaulted, defaulted)).toEqual([]);
}

/** Whether a server can hold a value as an object at all: it has a name to be found by. */
function isStorable(value: Resource | null): boolean {
  return typeof value?.metadata === 'object' && typeof value.metadata?.name === 'string';
}

describe('kinds', () => {
  for (const kind of kinds) {
    fuzz<unknown>({
      name: `kind/${kind.kind}${kind.group.startsWith('networking') ? '-kubernetes' : ''}`,
      form: asJson,
      runs: 120,
      inputs: corpus => edited([kind.example(), ...corpus]),
      check: value => judge(kind, value),
    });
  }

  fuzz<unknown>({
    name: 'kind/anything',
    form: asJson,
    runs: 60,
    inputs: () => anyJson,
    check: value => {
      for (const kind of kinds) judge(kind, value);
    },
  });
});
