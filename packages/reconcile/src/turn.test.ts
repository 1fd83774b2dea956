import { expect, test } from 'bun:test';
import { ClockFake } from './clock-fake.ts';
import { Turn } from './turn.ts';

test('a turn is spent after its time', async () => {
  const clock = new ClockFake();
  const turn = new Turn(clock, 5);
  expect(turn.spent).toBe(false);
  await clock.advance(4);
  expect(turn.spent).toBe(false);
  await clock.advance(1);
  expect(turn.spent).toBe(true);
  expect(new Turn(clock, 5).spent).toBe(false);
});
