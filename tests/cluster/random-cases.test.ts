import { expect, test } from 'bun:test';
import { describeVerification, verify } from './verify.ts';

/** How many cases, from which seed; `npm run verify` goes on for as long as wanted. */
const cases = Number(process.env.CALICO_CASES ?? 500);
const firstSeed = Number(process.env.CALICO_SEED ?? 1);
/** So many cases try everything often enough; fewer, as where faults are seeded, need not. */
const casesForTable = 500;

test(`the kernel and the evaluator decide ${cases} random clusters' packets as the oracle does`, async () => {
  const found = await verify({ firstSeed, more: done => done < cases });
  console.log(describeVerification(found));
  expect(found.differences).toEqual([]);
  if (cases >= casesForTable) expect(found.lacking).toEqual([]);
}, 900_000);
