import { beforeEach, describe, expect, test } from 'bun:test';
import type { Applied, Dataplane } from '@calico/dataplane';
import { seededRandom, TURN_MS } from '@calico/reconcile';
import { FelixWriter } from './felix-writer.ts';
import { TurnClockFake } from './turn-clock-fake.ts';

let clock: TurnClockFake;
/** Milliseconds that writes and comparisons take, in steps of one. */
let [applyMs, resyncMs] = [0, 0];
let refusals: string[];
let drift: number;
let said: string[];
let writer: FelixWriter;

beforeEach(() => {
  clock = new TurnClockFake();
  [applyMs, resyncMs, drift] = [0, 0, 0];
  refusals = [];
  said = [];
  const dataplane: Pick<Dataplane, 'applyInSteps' | 'resyncInSteps' | 'resync'> = {
    *applyInSteps(): Generator<void, Applied> {
      said.push('apply');
      yield* work(applyMs, 'apply');
      const refusal = refusals.shift();
      if (refusal !== undefined) throw new Error(refusal);
      return { rules: 1, routes: 0 };
    },
    *resyncInSteps(part = 'all'): Generator<void, number> {
      yield* work(resyncMs, 'compare');
      if (drift < 0) throw new Error('cannot read');
      said.push(`compared ${part}`);
      return drift;
    },
    resync: part => void said.push(`read ${part} anew`),
  };
  writer = new FelixWriter(dataplane as Dataplane, clock, seededRandom(1), {
    applied: () => void said.push('applied'),
    refused: error => void said.push(`refused: ${(error as Error).message}`),
    compared: (part, count) => void said.push(`${count} of ${part} differed`),
  });
});

function* work(ms: number, name: string): Generator<void, void> {
  for (let i = 0; i < ms; i++) {
    clock.work(1);
    if (i > 0 && i % TURN_MS === 0) said.push(`${name} goes on`);
    yield;
  }
}

describe('writes', () => {
  test('what fits into a turn is in the kernel before the call returns', async () => {
    writer.write();
    expect(said).toEqual(['apply', 'applied']);
    await writer.written;
  });

  test('what does not goes on in other turns; what was asked for meanwhile is written next', async () => {
    applyMs = 2 * TURN_MS;
    writer.write();
    const ended: string[] = [];
    const firstEnd = writer.written.then(() => ended.push('first'));
    writer.write();
    writer.write();
    const secondEnd = writer.written.then(() => ended.push('second'));
    expect(said).toEqual(['apply']);
    applyMs = 0;
    clock.turn();
    clock.turn();
    await firstEnd;
    expect(ended).toEqual(['first']);
    expect(said).toEqual(['apply', 'apply goes on', 'applied']);
    await clock.turns();
    await secondEnd;
    expect(said.slice(3)).toEqual(['apply', 'applied']);
  });

  test('what the kernel refuses is answered, and tried again later and later', async () => {
    refusals = ['busy', 'busy'];
    writer.write();
    await writer.written;
    expect(writer.isRefused).toBe(true);
    expect(said).toEqual(['apply', 'refused: busy']);
    await clock.advance(30);
    expect(said).toHaveLength(4);
    await clock.advance(60);
    expect(said.slice(4)).toEqual(['apply', 'applied']);
    expect(writer.isRefused).toBe(false);
  });

  test('stopped work ends where it is', async () => {
    applyMs = 100;
    resyncMs = 100;
    writer.resync('rules');
    writer.write();
    writer.stop();
    said = [];
    await clock.turns();
    await clock.advance(100_000);
    expect(said).toEqual([]);
  });
});

describe('comparisons', () => {
  test('go on in the background, one after the other, and what differed is written', async () => {
    [resyncMs, drift] = [3 * TURN_MS, 2];
    writer.resync('rules');
    writer.resync('routes');
    writer.resync('routes');
    await clock.turns();
    expect(said.filter(line => !line.endsWith('goes on'))).toEqual([
      'compared rules',
      '2 of rules differed',
      'apply',
      'applied',
      'compared routes',
      '2 of routes differed',
      'apply',
      'applied',
    ]);
  });

  test('hold no change up, and stand still while it is written', async () => {
    resyncMs = 3 * TURN_MS;
    writer.resync('rules');
    said = [];
    writer.write();
    expect(said).toEqual(['apply', 'applied']);
    said = [];
    applyMs = 2 * TURN_MS;
    writer.write();
    await clock.turns();
    expect(said.filter(line => !line.endsWith('goes on')).slice(0, 3)).toEqual(['apply', 'applied', 'compared rules']);
    expect(said.indexOf('compare goes on')).toBeGreaterThan(said.indexOf('applied'));
  });

  test('that fail leave it to the next write to read the kernel', async () => {
    drift = -1;
    writer.resync('routes');
    await clock.turns();
    expect(said).toEqual(['read routes anew', 'apply', 'applied']);
  });
});
