/** Objects made by chance from the schemas of kinds: the valid stay as they are, one fault is named where it is. */
import { describe, expect, test } from 'bun:test';
import { type Kind, kinds, parseJson, printFieldError, printJson, unknownFields } from '@calico/api';
import fc from 'fast-check';
import { faultsOf, objectsOf } from './random-objects.ts';

const GROUPS = new Set(['projectcalico.org', 'policy.networking.k8s.io']);
const RUNS = 200;
/** Lists that defaults fill when they are empty. */
const FILLED = new Set(['spec.types minItems', 'spec.policyTypes minItems']);
const every = kinds.filter(({ group }) => GROUPS.has(group)).map(kind => ({ name: kind.kind, kind }));

/** The place of a fault, positions in lists left out, as facts name it. */
const placeOf = (path: string): string => path.replaceAll(/\[\d+\]/g, '[]');

const isValid = (kind: Kind, object: Parameters<Kind['default']>[0]): boolean =>
  kind.validate(kind.default(object)).length === 0;

describe.each(every)('$name', ({ kind }) => {
  const objects = objectsOf(kind);

  test('a valid object keeps its meaning through defaults and JSON', () => {
    fc.assert(
      fc.property(objects, object => {
        if (!isValid(kind, object)) return;
        const whole = kind.default(object);
        expect(kind.default(whole)).toEqual(whole);
        expect(kind.validate(whole, whole).map(printFieldError)).toEqual([]);
        expect(unknownFields(kind, whole)).toEqual([]);
        expect(parseJson(printJson(whole))).toEqual(whole);
      }),
      { numRuns: RUNS },
    );
  });

  test('one fault of the schema is found at its place', () => {
    fc.assert(
      fc.property(objects, fc.nat(), (object, choice) => {
        const faults = faultsOf(kind, isValid(kind, object) ? object : kind.example());
        const fault = faults[choice % faults.length];
        if (fault === undefined || FILLED.has(fault.fact)) return;
        const place = fault.fact.slice(0, fault.fact.lastIndexOf(' '));
        const found = kind.validate(kind.default(fault.object)).map(error => placeOf(error.path));
        expect(found.some(path => path.startsWith(place))).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });
});
