/** Fuzzing with a kept corpus: inputs that once broke something are tried first, then random ones from a printed seed. */
import { test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';

const CORPUS = join(import.meta.dir, '..', 'testdata', 'fuzz');

/** FUZZ_SEED repeats a run, FUZZ_RUNS makes it longer. */
const seed = Number(process.env.FUZZ_SEED ?? crypto.getRandomValues(new Int32Array(1))[0]);
const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
console.info(`fuzz: FUZZ_SEED=${seed} FUZZ_RUNS=${numRuns}`);

/** A test that `check` holds for every input in `testdata/fuzz/<corpus>.json` and for random ones of `inputs`. */
export function fuzz<T>(
  name: string,
  corpus: string,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void | Promise<void>,
): void {
  const kept: T[] = JSON.parse(readFileSync(join(CORPUS, `${corpus}.json`), 'utf8'));
  test(name, async () => {
    const examples = kept.map((input): [T] => [input]);
    await fc.assert(
      fc.asyncProperty(inputs, async input => {
        await check(input);
      }),
      { seed, numRuns: numRuns + kept.length, examples },
    );
  }, 60_000);
}
