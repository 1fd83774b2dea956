import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { simulate } from './simulate.ts';

const SEEDS = Number(process.env.IPAM_SEEDS ?? 10_000);
const PROCESSES = 2;

describe('IPAM in a storm', () => {
  test(`${SEEDS} runs: no address has two owners, no live one is released, nothing is lost in the end`, async () => {
    const runs = Array.from({ length: PROCESSES }, async (_, i) => {
      const args = [join(import.meta.dir, 'run-seeds.ts'), i + 1, PROCESSES, SEEDS].map(String);
      const child = Bun.spawn([process.execPath, ...args], { stdout: 'pipe', stderr: 'pipe' });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return { code: await child.exited, text: out + err };
    });
    for (const { code, text } of await Promise.all(runs)) expect({ code, text }).toEqual({ code: 0, text: '' });
  }, 600_000); // A bound against hanging: it takes about 40 s on two free cores.

  test('goes the same way each time it is replayed', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [first, again] = [await simulate(seed, true), await simulate(seed, true)];
      expect(first.world.trace.length).toBeGreaterThan(50);
      expect(again.world.trace).toEqual(first.world.trace);
    }
  });
});
