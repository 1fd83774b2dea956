/** Random input beside a kept corpus: what once broke a reader stays in testdata/ and is read again in every run. */
import { expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';

/** Inputs per target: few unless CALICO_FUZZ_RUNS tells more. */
const toldRuns = Number(process.env.CALICO_FUZZ_RUNS ?? 0);
/** Another one in every run unless CALICO_FUZZ_SEED tells it. */
export const seed = Number(process.env.CALICO_FUZZ_SEED ?? Date.now() % 2 ** 31);
/** No reader may take longer for one random input; milliseconds of processor time, so that a busy machine is no fault. */
const LIMIT_MS = 500;
/** How long a test may take: minutes when many runs are wanted. */
const patience = Math.max(20_000, toldRuns * 50);

console.log(`fuzz: CALICO_FUZZ_SEED=${seed}${toldRuns > 0 ? ` CALICO_FUZZ_RUNS=${toldRuns}` : ''}`);

/** A reader and what holds for whatever it is given. */
export interface Target<T> {
  /** Names the folder of testdata/ as well. */
  readonly name: string;
  /** Random inputs; `corpus` is what is kept in testdata/. */
  inputs(corpus: readonly T[]): fc.Arbitrary<T>;
  /** Throws when a property does not hold. */
  check(input: T): void;
  /** Between inputs and the files of the corpus. */
  readonly form: { readonly extension: string; read(bytes: Buffer): T; write(input: T): Uint8Array | string };
  /** Inputs of a quick run. */
  readonly runs: number;
}

export const asText: Target<string>['form'] = {
  extension: 'txt',
  read: bytes => bytes.toString('utf8'),
  // Text that UTF-8 cannot write (half a surrogate pair) is kept with that half replaced.
  write: text => text,
};

export const asBytes: Target<Uint8Array>['form'] = {
  extension: 'yaml',
  read: bytes => new Uint8Array(bytes),
  write: bytes => bytes,
};

/** One test that reads the whole corpus, and one that reads random inputs and keeps the smallest that fails. */
export function fuzz<T>(target: Target<T>): void {
  const folder = join(import.meta.dir, 'testdata', target.name);
  mkdirSync(folder, { recursive: true });
  const files = readdirSync(folder).sort();
  const corpus = files.map(file => target.form.read(readFileSync(join(folder, file))));
  test(
    `${target.name}: every input of the corpus`,
    () => {
      for (const [i, input] of corpus.entries()) {
        try {
          withinLimit(target, input);
        } catch (cause) {
          throw new Error(`testdata/${target.name}/${files[i]}: ${messageOf(cause)}`, { cause });
        }
      }
      expect(corpus.length).toBeGreaterThan(0);
    },
    patience,
  );
  test(
    `${target.name}: random input`,
    () => {
      const property = fc.property(target.inputs(corpus), input => withinLimit(target, input));
      // Making a slow input smaller may take for ever; the smallest found so far is kept then.
      const details = fc.check(property, {
        seed,
        numRuns: toldRuns > 0 ? toldRuns : target.runs,
        plugins: [fc.interruptAfterTimeLimit(patience / 2)],
      });
      if (!details.failed) return;
      const input = (details.counterexample as [T] | null | undefined)?.[0];
      const kept = input === undefined ? '' : keep(target, folder, input);
      throw new Error(`${fc.defaultReportMessage(details)}\n${kept}`);
    },
    patience,
  );
}

function keep<T>(target: Target<T>, folder: string, input: T): string {
  const bytes = target.form.write(input);
  const name = `crash-${createHash('sha1').update(bytes).digest('hex').slice(0, 8)}.${target.form.extension}`;
  writeFileSync(join(folder, name), bytes);
  return `kept as testdata/${target.name}/${name}: mend the reader and commit the file`;
}

function withinLimit<T>(target: Target<T>, input: T): void {
  if (cpuTimeOf(target, input) <= LIMIT_MS) return;
  // It may have paid for what others left behind.
  Bun.gc(true);
  const ms = cpuTimeOf(target, input);
  if (ms > LIMIT_MS) throw new Error(`took ${ms} ms of processor time; allowed: ${LIMIT_MS}`);
}

function cpuTimeOf<T>(target: Target<T>, input: T): number {
  const before = process.cpuUsage();
  target.check(input);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}
