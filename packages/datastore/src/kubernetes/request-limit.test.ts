import { expect, test } from 'bun:test';
import { ClockFake } from '@calico/reconcile';
import { requestTurns } from './request-limit.ts';

test('requests above the burst wait for their turn, and a pause gives back the burst and no more', async () => {
  const clock = new ClockFake();
  const turn = requestTurns({ perSecond: 10, burst: 3 }, clock);
  const begun: number[] = [];
  const ask = (count: number) => Array.from({ length: count }, () => turn().then(() => begun.push(clock.now())));
  ask(5);
  await clock.advance(1000);
  ask(4);
  await clock.advance(60_000);
  ask(4);
  await clock.advance(1000);
  const starts = [0, 0, 0, 100, 200, 1000, 1000, 1000, 1100, 61_000, 61_000, 61_000, 61_100];
  expect(begun.map(at => at - (begun[0] ?? 0))).toEqual(starts);
});

test('who gives up does not wait', async () => {
  const turn = requestTurns({ perSecond: 1, burst: 1 }, new ClockFake());
  const end = new AbortController();
  await turn();
  const waiting = turn(end.signal);
  end.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
});
