import { beforeEach, expect, test } from 'bun:test';
import type { Dataplane } from '@calico/dataplane';
import { createLogger } from '@calico/process';
import { ClockFake, type Timer } from '@calico/reconcile';
import { ConnectionCutter } from './connection-cutter.ts';

/** A clock that work takes time on. */
class WorkClock extends ClockFake {
  worked = 0;
  turns = 0;

  override setTimeout(call: () => void, ms: number): Timer {
    this.turns++;
    return super.setTimeout(call, ms);
  }

  override now(): number {
    return super.now() + this.worked;
  }
}

let clock: WorkClock;
let lines: string[];
let cutter: ConnectionCutter;
/** When each step was made. */
let steps: number[];
let dataplane: { applying: boolean; hasConnectionsToJudge: boolean; cutConnections(): Generator<void, number> };

/** A run of so many steps, each of which takes so many milliseconds. */
function* run(count: number, ms: number): Generator<void, number> {
  dataplane.hasConnectionsToJudge = false;
  for (let i = 0; i < count; i++) {
    steps.push(clock.now());
    clock.worked += ms;
    yield;
  }
  return count;
}

beforeEach(() => {
  clock = new WorkClock();
  lines = [];
  steps = [];
  dataplane = { applying: false, hasConnectionsToJudge: true, cutConnections: () => run(3, 5) };
  const log = createLogger({ component: 'test', write: line => void lines.push(line) });
  cutter = new ConnectionCutter(dataplane as unknown as Dataplane, clock, log);
});

test('connections are judged after a write, in turns, and how many were cut is said', async () => {
  cutter.written();
  expect(steps).toEqual([]);
  await clock.advance(0);
  expect([steps.length, clock.turns]).toEqual([3, 2]);
  expect(lines.join('')).toContain('Cut connections that policy no longer allows connections=3');
});

test('nothing is judged by half a change: the end of the write lets it go on', async () => {
  cutter.written();
  dataplane.applying = true;
  await clock.advance(1_000);
  expect(steps).toEqual([]);
  dataplane.applying = false;
  cutter.written();
  await clock.advance(0);
  expect(steps).toHaveLength(3);
});

test('after a run it rests four times as long, however many changes come', async () => {
  cutter.written();
  await clock.advance(1);
  expect(steps).toHaveLength(3);
  const ended = clock.now();
  dataplane.hasConnectionsToJudge = true;
  cutter.written();
  await clock.advance(200);
  expect((steps[3] ?? 0) - ended).toBeGreaterThanOrEqual(4 * 15 - 1);
});

test('a refusal is said and tried again a second later', async () => {
  // biome-ignore lint/correctness/useYield: it never comes so far.
  dataplane.cutConnections = function* () {
    throw new Error('ENOBUFS');
  };
  cutter.written();
  await clock.advance(0);
  expect(lines.join('')).toContain('ENOBUFS');
  dataplane.cutConnections = () => run(1, 0);
  await clock.advance(999);
  expect(steps).toEqual([]);
  await clock.advance(1);
  expect(steps).toHaveLength(1);
});

test('it ends between two turns', async () => {
  cutter.written();
  clock.setTimeout(() => cutter.stop(), 0);
  await clock.advance(10_000);
  expect(steps).toHaveLength(2);
});
