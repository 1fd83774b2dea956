import { describe, expect, test } from 'bun:test';
import { ClockFake } from '@calico/reconcile';
import { passGates } from './readiness-gates.ts';

/** Lets time pass until the gates are passed or given up; tells how long it took. */
async function pass(answers: Record<string, (number | Error)[]>) {
  const clock = new ClockFake();
  const asked: string[] = [];
  const passing = passGates(Object.keys(answers), clock, async url => {
    asked.push(url);
    const [next = 200] = answers[url]?.splice(0, 1) ?? [];
    if (next instanceof Error) throw next;
    return next;
  });
  let ended = false;
  const end = () => {
    ended = true;
  };
  passing.then(end, end);
  const start = clock.now();
  for (await Promise.resolve(); !ended; ) await clock.advance(1_000);
  await passing;
  return { asked, ms: clock.now() - start };
}

describe('passGates', () => {
  test('asks nobody when there are none, and each at once', async () => {
    expect((await pass({})).asked).toEqual([]);
    expect((await pass({ 'http://a/': [204], 'http://b/': [302] })).asked).toEqual(['http://a/', 'http://b/']);
  });

  test('asks every five seconds until it answers well', async () => {
    const { asked, ms } = await pass({ 'http://a/': [new Error('refused'), 503, 200] });
    expect(asked).toHaveLength(3);
    expect(ms).toBeGreaterThanOrEqual(10_000);
  });

  test('gives up after half a minute, naming gate and cause', async () => {
    const failing = pass({ 'http://a/': Array.from({ length: 20 }, () => 503) });
    await expect(failing).rejects.toMatchObject({
      code: 11,
      message: 'Cannot set up network: readiness gate http://a/ is not ready within 30 s',
      details: 'it answers 503',
    });
  });
});
