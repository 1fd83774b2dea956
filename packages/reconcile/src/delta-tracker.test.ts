import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { DeltaTracker } from './delta-tracker.ts';

const pending = <V>(tracker: DeltaTracker<string, V>) => ({
  updates: Object.fromEntries(tracker.pendingUpdates()),
  deletions: Object.fromEntries(tracker.pendingDeletions()),
});

describe('DeltaTracker', () => {
  test('asks for what is absent or different, and for the end of what is not desired', () => {
    const tracker = new DeltaTracker<string, number>();
    tracker.actual.replaceAll([
      ['same', 1],
      ['old', 1],
      ['stray', 1],
    ]);
    tracker.desired.set('same', 1);
    tracker.desired.set('old', 2);
    tracker.desired.set('new', 3);
    expect(pending(tracker)).toEqual({ updates: { old: 2, new: 3 }, deletions: { stray: 1 } });
    expect(tracker.inSync).toBe(false);
  });

  test('takes off what has been applied while it is being iterated', () => {
    const tracker = new DeltaTracker<string, number>();
    tracker.actual.replaceAll([
      ['a', 1],
      ['b', 1],
    ]);
    tracker.desired.replaceAll([
      ['c', 1],
      ['d', 1],
      ['e', 1],
    ]);
    for (const [key, value] of tracker.pendingUpdates()) if (key !== 'd') tracker.actual.set(key, value);
    for (const [key] of tracker.pendingDeletions()) tracker.actual.delete(key);
    expect(pending(tracker)).toEqual({ updates: { d: 1 }, deletions: {} });
    expect(Object.fromEntries(tracker.actual)).toEqual({ c: 1, e: 1 });
    tracker.actual.set('d', 1);
    expect(tracker.inSync).toBe(true);
  });

  test('compares values as it is told', () => {
    const tracker = new DeltaTracker<string, { n: number }>((a, b) => a.n === b.n);
    tracker.actual.set('a', { n: 1 });
    tracker.desired.set('a', { n: 1 });
    expect(tracker.inSync).toBe(true);
  });

  test('keeps values that are undefined', () => {
    const tracker = new DeltaTracker<string, undefined>();
    tracker.desired.set('a', undefined);
    expect(tracker.pendingUpdateCount).toBe(1);
    tracker.actual.set('a', undefined);
    expect(tracker.inSync).toBe(true);
    tracker.desired.delete('a');
    expect(tracker.pendingDeletionCount).toBe(1);
  });

  test('holds the difference of its sides after any changes', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const value = fc.nat(2);
    const change = fc.oneof(
      fc.record({ act: fc.constant('set'), side: fc.constantFrom('desired', 'actual'), key, value }),
      fc.record({ act: fc.constant('delete'), side: fc.constantFrom('desired', 'actual'), key }),
      fc.record({
        act: fc.constant('replaceAll'),
        side: fc.constantFrom('desired', 'actual'),
        entries: fc.array(fc.tuple(key, value), { maxLength: 4 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(change), changes => {
        const tracker = new DeltaTracker<string, number>();
        const model = { desired: new Map<string, number>(), actual: new Map<string, number>() };
        for (const c of changes) {
          if ('value' in c) {
            tracker[c.side].set(c.key, c.value);
            model[c.side].set(c.key, c.value);
          } else if ('key' in c) {
            tracker[c.side].delete(c.key);
            model[c.side].delete(c.key);
          } else {
            tracker[c.side].replaceAll(c.entries);
            model[c.side] = new Map(c.entries);
          }
          tracker.check();
          const { desired, actual } = model;
          expect(new Map(tracker.desired)).toEqual(desired);
          expect(new Map(tracker.actual)).toEqual(actual);
          expect(pending(tracker)).toEqual({
            updates: Object.fromEntries([...desired].filter(([k, v]) => actual.get(k) !== v)),
            deletions: Object.fromEntries([...actual].filter(([k]) => !desired.has(k))),
          });
        }
      }),
    );
  });
});
