// Runs seeds of the simulation in a process of its own: `bun tests/ipam/run-seeds.ts <first> <step> <last>`. Prints the first
// seed that fails, with the command that replays it, and ends with 1.
import { simulate } from './simulate.ts';

const [first = 1, step = 1, last = 1] = process.argv.slice(2).map(Number);
// Refusals are errors by the thousand; where they come from is shown when a run is replayed.
Error.stackTraceLimit = 0;
for (let seed = first; seed <= last; seed += step) {
  const { failure } = await simulate(seed);
  if (failure === undefined) continue;
  console.log(`seed ${seed} fails: ${failure}\nreplay it with: bun tests/ipam/replay.ts ${seed}`);
  process.exit(1);
}
