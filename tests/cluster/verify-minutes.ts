// npm run verify -- --minutes N [--seed S]: random clusters on the real kernel for as long as wanted; exit code 1 on any difference.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { describeVerification, verify } from './verify.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' } } });
const minutes = Number(values.minutes);
const firstSeed = Number(values.seed ?? randomInt(1_000_000));
if (!(minutes > 0) || !Number.isInteger(firstSeed)) {
  console.error(
    `Cannot verify: --minutes is "${values.minutes}", --seed "${values.seed}"; allowed: more than 0, a whole number`,
  );
  process.exit(2);
}
if (process.getuid?.() !== 0) {
  console.error('Cannot verify: network namespaces and raw sockets need root; try: sudo npm run verify');
  process.exit(2);
}
const started = performance.now();
const secondsGone = () => (performance.now() - started) / 1000;
const reportEvery = 30;
let reported = 0;
console.error(`Verifying for ${minutes} minutes from seed ${firstSeed} …`);
const found = await verify({
  firstSeed,
  more: cases => {
    if (secondsGone() - reported >= reportEvery) {
      reported = secondsGone();
      console.error(`${cases} cases in ${Math.round(reported)} s`);
    }
    return secondsGone() < minutes * 60;
  },
});
console.log(describeVerification(found));
process.exit(found.differences.length === 0 ? 0 : 1);
